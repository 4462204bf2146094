"""A small HTTP service over a PersonaIndex: rerank candidates, recommend from the catalogue, health. Answers carry the
persona that made each score. It keeps no state and changes nothing, so any number of processes may serve one folder."""

import threading
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, StringConstraints, conint, conlist

from reprolib.data.corpus import DataError
from reprolib.papers.persona4rec.index.index import PersonaIndex

MOST_CANDIDATES = 1000
Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
# texts stem from reviews: no markup leaves as such, whatever a client does with the answer
INERT = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"))


class Rerank(BaseModel):
    """Put these candidates into the user's order."""

    model_config = ConfigDict(extra="forbid")
    user: Id
    candidates: conlist(Id, min_length=1, max_length=MOST_CANDIDATES)
    k: conint(ge=1, le=MOST_CANDIDATES) = 20


class Recommend(BaseModel):
    """The k best items of the whole catalogue; `exact` compares with all of them, else the graph is asked."""

    model_config = ConfigDict(extra="forbid")
    user: Id
    k: conint(ge=1, le=100) = 10
    exact: bool = False
    without: conlist(Id, max_length=MOST_CANDIDATES) = []


class Entry(BaseModel):
    """One item of an answer. Score null: nothing is known of it, it stands where the request put it."""

    item: str
    score: float | None
    title: str
    name: str
    description: str
    rationale: str


class Answer(BaseModel):
    """Items, best first, each with the texts of the persona that matched; an empty name is an item's summary."""

    user: str
    items: list[Entry]


def application(index: PersonaIndex):
    """The FastAPI application that answers from this index."""
    from fastapi import FastAPI, HTTPException
    from fastapi.responses import Response
    from pydantic_core import to_json

    app = FastAPI(title="PERSONA4REC", description=__doc__)
    items, users = ({name: code for code, name in enumerate(ids, first)}
                    for ids, first in zip(index.ids(), (1, 0), strict=True))  # fmt: skip
    one_at_a_time = threading.Lock()  # the parallel kernel belongs to one thread

    def vector(user: str) -> np.ndarray:
        try:
            return index.user_vector(users.get(user, -1))
        except DataError:
            raise HTTPException(404, "this user has no interaction in the index") from None

    def respond(user: str, entries: list[dict]) -> Response:
        body = to_json({"user": user, "items": entries})
        for mark, inert in INERT:
            body = body.replace(mark, inert)
        return Response(
            body, media_type="application/json", headers={"X-Content-Type-Options": "nosniff"}
        )

    @app.get("/health")
    async def health() -> dict:
        """What is served."""
        return {
            "status": "ok",
            "width": index.width,
            "approximate": index.graph is not None,
            **index.sizes(),
            "about": index.about,
        }

    @app.post("/rerank", response_model=Answer)
    async def rerank(asked: Rerank):  # async: the work takes less time than handing it to a thread
        """The candidates, best first; one that the index does not know keeps its place at the bottom."""
        wanted = np.array([items.get(name, 0) for name in asked.candidates])
        scores, rows = index.score(vector(asked.user), wanted)
        order = np.argsort(-scores, kind="stable")[: asked.k]
        entries = index.answer(wanted[order], scores[order], rows[order])
        for entry, place in zip(entries, order.tolist(), strict=True):
            entry["item"] = asked.candidates[place]
        return respond(asked.user, entries)

    @app.post("/recommend", response_model=Answer)
    def recommend(asked: Recommend):
        """The best items of the whole catalogue."""
        without = [items[name] for name in asked.without if name in items]
        with one_at_a_time:
            found = index.recommend(
                vector(asked.user), asked.k, asked.exact or index.graph is None, without
            )
        entries = index.answer(*found)
        return respond(asked.user, [entry | {"item": str(entry["item"])} for entry in entries])

    return app


def serve(index: PersonaIndex, host: str, port: int) -> None:
    """Answer until interrupted."""
    import gc

    import uvicorn

    for user in index.readers[:1].tolist():  # compile before the first request
        index.rerank(user, [0])
        index.recommend(index.user_vector(user), 1)
    app = application(index)
    gc.freeze()  # what was loaded stays: the collector need not walk through it during a request
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False)
