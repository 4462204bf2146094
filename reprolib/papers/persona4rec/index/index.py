"""PersonaIndex: personas as unit vectors, item by item (Eq. 8); users as their latest interactions (Eq. 6-7); scores
by the best persona (Eq. 10), which is the explanation. No language model and no encoder runs while it answers."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from reprolib.data.corpus import DataError
from reprolib.data.split import slices
from reprolib.papers.persona4rec.index import files
from reprolib.papers.persona4rec.index.packing import (
    BLOCK,
    SEPARATOR,
    TEXTS,
    bits,
    encoded,
    floats,
    new_graph,
    open_graph,
    pack,
    pack_row,
    persona_rows,
    ranges,
    unit,
    unpack,
)

FEW = 1000  # items that one thread scores before others would have woken up
APART = SEPARATOR.encode()
NOTHING = APART * (len(TEXTS) - 1)


class PersonaIndex:
    """Items and users are integer codes: items from 1 on (0 is padding), users from 0 on.

    vectors (n, d)  float32 or float16, unit rows, ascending by item; item (n,): their codes
    texts           a table of TEXTS (title of the item; name, description and rationale of the persona), one row per
                    vector; an item without personas may have one row for its summary, with an empty name
    history (m, d)  vectors of interactions, of the same kind, by user and oldest first; user (m,): their codes
    gamma, length   decay, and how many interactions make a user vector
    items, users    their ids outside, items[code - 1] and users[code]; about: what is worth telling of the index
    graph           file of the graph for approximate search
    """

    def __init__(
        self,
        vectors,
        item,
        texts,
        history,
        user,
        *,
        gamma: float = 0.65,
        length: int = 10,
        items: list[str] | None = None,
        users: list[str] | None = None,
        about: dict | None = None,
        graph: Path | None = None,
    ):
        from reprolib.papers.persona4rec.index import (
            kernels,
        )  # numba is loaded with the first index, not with the command

        self._kernels = kernels
        self._rows, self._history, self._packed = bits(vectors), bits(history), pack(texts)
        if not len(vectors) == len(item) == len(self._packed) or len(history) != len(user):
            raise DataError(
                f"PersonaIndex: {len(vectors)} vectors, {len(item)} item codes and {len(self._packed)} "
                f"texts, {len(history)} interactions and {len(user)} user codes; each must be as many"
            )
        if self._rows.dtype != self._history.dtype or vectors.shape[1] != history.shape[1]:
            raise DataError(
                "PersonaIndex: personas and interactions need vectors of one width and one kind"
            )
        self._offsets = memoryview(self._packed.buffers()[1] or bytes(8)).cast("b").cast("q")
        self._letters = memoryview(self._packed.buffers()[2] or b"")
        self._begin, self._end = ranges(item, "item", 1, len(items or ()) + 1)
        self._user_begin, self._user_end = ranges(user, "user", 0, len(users or ()))
        self._added, self._used = (
            self._rows[:0],
            0,
        )  # rows of changed items, in a buffer that grows by doubling
        self._added_texts: list[bytes] = []
        self._fresh: dict[int, np.ndarray] = {}  # the latest rows of users with new reviews
        self.gamma, self.length, self.items, self.users, self.about = (
            gamma,
            length,
            items,
            users,
            about or {},
        )
        self._weights = np.float32(gamma) ** np.arange(length, dtype=np.float32)
        self._graph_file = graph
        self.graph = open_graph(graph, view=True) if graph else None

    @classmethod
    def build(
        cls,
        offline,
        encode: Callable[[list[str]], np.ndarray],
        *,
        split=None,
        gamma: float = 0.65,
        history: int = 10,
        half: bool = False,
        about: dict | None = None,
        progress: bool = True,
    ):
        """The index of an `Offline` stage; encode: texts -> (n, d). half: float16, half the memory.

        split  the offline stage's split, where answers should carry the ids of the data instead of codes
        An item without personas is found by its summary.
        """
        rows = persona_rows(offline)
        latest = offline.interactions.groupby("user", sort=False).tail(history)
        kind = np.float16 if half else np.float32
        vectors = encoded(rows["text"].tolist(), encode, kind, "personas", progress)
        cached = encoded(latest["text"].tolist(), encode, kind, "interactions", progress)
        ids = (
            {}
            if split is None
            else {"items": [str(x) for x in split.items], "users": [str(x) for x in split.users]}
        )
        return cls(
            vectors,
            rows["item"].to_numpy(np.int64),
            rows,
            cached,
            latest["user"].to_numpy(np.int64),
            gamma=gamma,
            length=history,
            about={"annotator": offline.annotator} | (about or {}),
            **ids,
        )

    @classmethod
    def load(cls, folder: str | Path, mmap: bool = True) -> "PersonaIndex":
        """The index of a folder written by `save`; with mmap, vectors stay on disk until a request reads them."""
        import pyarrow as pa

        index = cls(**files.load(folder, mmap))
        pa.default_memory_pool().release_unused()  # the texts were held twice while they were packed
        return index

    def save(self, folder: str | Path) -> Path:
        """Write the index, with its graph where it has one, in place of an older one in that folder."""
        return files.save(self, folder)

    @property
    def width(self) -> int:
        """Number of dimensions d."""
        return self._rows.shape[1]

    @property
    def catalogue(self) -> np.ndarray:
        """Codes of the items that have a persona or a summary."""
        return np.flatnonzero(self._end > self._begin)

    def ids(self) -> tuple[list[str], list[str]]:
        """(items, users): ids outside in the order of codes; the codes as text where the index knows none."""
        items = (
            self.items
            if self.items is not None
            else [str(code) for code in range(1, len(self._end))]
        )
        return items, self.users if self.users is not None else [
            str(code) for code in range(len(self._user_end))
        ]

    @property
    def readers(self) -> np.ndarray:
        """Codes of the users that have an interaction."""
        return np.union1d(
            np.flatnonzero(self._user_end > self._user_begin), list(self._fresh)
        ).astype(np.int64)

    def sizes(self) -> dict[str, int]:
        """Items with a row, rows, users with an interaction, bytes of all vectors."""
        return {
            "items": len(self.catalogue),
            "rows": int((self._end - self._begin).sum()),
            "users": len(self.readers),
            "bytes": self._rows.nbytes + self._added.nbytes + self._history.nbytes,
        }

    def user_vector(self, user: int) -> np.ndarray:
        """(d,) unit mean of the latest interactions, decaying with age (Eq. 7). DataError for a user without any."""
        rows = self._user_rows(user)
        if not len(rows):
            raise DataError(f"user {user} has no interaction in this index; add_review adds one")
        return self._kernels.pool(rows, self._weights)

    def _user_rows(self, user: int) -> np.ndarray:
        if user in self._fresh:
            return self._fresh[user]
        if not 0 <= user < len(self._user_end):
            return self._history[:0]
        end = self._user_end[user]
        return self._history[max(self._user_begin[user], end - self.length) : end]

    def score(self, user_vector: np.ndarray, candidates) -> tuple[np.ndarray, np.ndarray]:
        """(k,) scores of the candidates (Eq. 10) and the row of each one's best persona; -inf and -1 without rows."""
        user_vector, candidates = (
            np.asarray(user_vector, np.float32),
            np.asarray(candidates, np.int64),
        )
        if user_vector.shape != (self.width,) or candidates.ndim != 1:
            raise ValueError(
                f"score: user {user_vector.shape} and candidates {candidates.shape}; "
                f"right would be ({self.width},) and (k,)"
            )
        scores, best = np.empty(len(candidates), np.float32), np.empty(len(candidates), np.int64)
        self._kernels.score(
            user_vector, self._rows, self._added, self._begin, self._end, candidates, scores, best
        )
        return scores, best

    def score_many(self, users: np.ndarray, candidates) -> tuple[np.ndarray, np.ndarray]:
        """`score` for users (n, d) with candidates (n, k), on all of numba's threads."""
        users = np.ascontiguousarray(users, np.float32)
        candidates = np.ascontiguousarray(candidates, np.int64)
        if (
            users.ndim != 2
            or candidates.ndim != 2
            or len(users) != len(candidates)
            or users.shape[1] != self.width
        ):
            raise ValueError(
                f"score_many: users {users.shape} and candidates {candidates.shape}; "
                f"right would be (n, {self.width}) and (n, k)"
            )
        if "torch" in sys.modules:
            from reprolib.evaluate.kernels import as_many_threads_as_torch

            as_many_threads_as_torch()
        scores, best = np.empty(candidates.shape, np.float32), np.empty(candidates.shape, np.int64)
        self._kernels.score_many(
            users, self._rows, self._added, self._begin, self._end, candidates, scores, best
        )
        return scores, best

    def rerank(self, user: int, candidates, k: int | None = None) -> list[dict]:
        """The whole answer to one request, best first: item, score (None without a row) and the persona's TEXTS.

        Equal scores, and items without a row (at the bottom), keep the order of the candidates.
        """
        candidates = np.asarray(candidates, np.int64)
        scores, best = self.score(self.user_vector(user), candidates)
        order = np.argsort(-scores, kind="stable")[:k]
        return self.answer(candidates[order], scores[order], best[order])

    def recommend(
        self, user_vector: np.ndarray, k: int, exact: bool = True, without: Sequence[int] = ()
    ):
        """(items, scores, rows) of the k best items of the whole catalogue, those in `without` left out.

        exact=False asks the graph for the nearest personas and scores only their items, exactly.
        """
        candidates = self.catalogue if exact else self._near(user_vector, k + len(without))
        if len(without):
            candidates = np.setdiff1d(candidates, np.asarray(without, np.int64))
        if len(candidates) < FEW:
            scores, best = self.score(user_vector, candidates)
        else:
            scores, best = (x[0] for x in self.score_many(user_vector[None], candidates[None]))
        if len(scores) > k:
            top = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
            candidates, scores, best = candidates[top], scores[top], best[top]
        order = np.argsort(-scores, kind="stable")[:k]
        return candidates[order], scores[order], best[order]

    def _near(self, user_vector: np.ndarray, items: int) -> np.ndarray:
        """Codes of at least that many items near the user: an item may be found through several of its rows."""
        if self.graph is None:
            raise DataError(
                "this index has no graph for approximate search; call build_graph, or ask exactly"
            )
        most = int((self._end - self._begin).max(initial=1))
        return np.unique(self.graph.search(user_vector, items * most, threads=1).keys).astype(
            np.int64
        )

    def answer(self, items, scores, rows) -> list[dict]:
        """Codes, scores and rows as the dictionaries that `rerank` returns."""
        items, rows, ids = items.tolist(), rows.tolist(), self.items
        if ids:
            items = [ids[item - 1] if 0 < item <= len(ids) else item for item in items]
        scores = [
            score if row >= 0 else None for score, row in zip(scores.tolist(), rows, strict=True)
        ]
        # one text for all rows, decoded and split once: row by row the texts would cost as much as the scores
        fields = str(APART.join(self._packed_texts(rows)), "utf-8").split(SEPARATOR) if rows else []
        return [{"item": item, "score": score, "title": title, "name": name, "description": told, "rationale": why}
                for item, score, title, name, told, why in zip(items, scores, *(fields[i::4] for i in range(4)),
                                                               strict=True)]  # fmt: skip

    def explain(self, row: int) -> dict[str, str]:
        """TEXTS of a row as the annotator wrote them: escape them where they are rendered. Empty for row -1."""
        return dict(
            zip(TEXTS, str(self._packed_texts([row])[0], "utf-8").split(SEPARATOR), strict=True)
        )

    def _packed_texts(self, rows: list[int]) -> list[memoryview | bytes]:
        """Packed texts of rows, straight from Arrow's buffers, whose scalars cost three times as much."""
        letters, offsets, n = self._letters, self._offsets, len(self._packed)
        return [letters[offsets[row] : offsets[row + 1]] if 0 <= row < n
                else self._added_texts[row - n] if row >= 0 else NOTHING for row in rows]  # fmt: skip

    def add_item(
        self, item: int, texts: Sequence[dict], vectors: np.ndarray, name: str | None = None
    ) -> None:
        """Add an item, or replace its personas: one dict of TEXTS and one vector per persona.

        A new item takes the next free code; `name` is its id outside, needed where the index knows ids.
        """
        vectors = unit(vectors, self.width, len(texts)).astype(floats(self._rows).dtype)
        packed = [pack_row(text).encode() for text in texts]
        if not 0 < item <= len(self._end):
            raise DataError(
                f"add_item: {item} is no item; right would be a known code or the next, {len(self._end)}"
            )
        if item == len(self._end):
            self._new_item(name)
        need = self._used + len(vectors)
        if need > len(self._added):
            room = np.zeros((max(need, 64), self.width), self._rows.dtype)
            self._added = np.concatenate([self._added[: self._used], room])
        self._added[self._used : need] = bits(vectors)
        self._added_texts += packed
        self._begin[item], self._end[item] = len(self._rows) + self._used, len(self._rows) + need
        self._used = need
        self._change_graph(item, vectors)

    def _new_item(self, name: str | None) -> None:
        if self.items is not None:
            if not name:
                raise DataError(
                    f"add_item: item {len(self._end)} is new and this index knows ids; give its name"
                )
            self.items.append(name)
        self._begin, self._end = np.append(self._begin, 0), np.append(self._end, 0)

    def add_review(self, user: int, vector: np.ndarray) -> None:
        """The user's new interaction, an encoded `interaction_text`; the next request uses it."""
        if user < 0:
            raise DataError(f"add_review: {user} is no user; codes are whole numbers from 0 on")
        row = bits(unit(np.asarray(vector)[None], self.width, 1).astype(floats(self._rows).dtype))
        self._fresh[user] = np.concatenate([self._user_rows(user), row])[-self.length :]

    def build_graph(self, threads: int = 0, progress: bool = True) -> None:
        """The graph for approximate search (HNSW, by usearch): a linked second copy of the vectors.

        threads  0: all cores; with 1 the same rows give the same graph
        """
        parts = self.compact()
        vectors, item = parts["vectors"], parts["texts"]["item"].to_numpy().astype(np.uint64)
        graph, starts = new_graph(self.width, vectors.dtype), range(0, len(item), BLOCK)
        for at in tqdm(starts, "graph", disable=not progress or len(starts) < 4, leave=False):
            graph.add(item[at : at + BLOCK], vectors[at : at + BLOCK], threads=threads)
        self.graph, self._graph_file = graph, None

    def _change_graph(self, item: int, vectors: np.ndarray) -> None:
        if self.graph is None:
            return
        if self._graph_file:  # usearch crashes when a mapped graph is changed, so it is read first
            self.graph, self._graph_file = open_graph(self._graph_file, view=False), None
        self.graph.remove(item)
        self.graph.add(np.full(len(vectors), item, np.uint64), vectors, threads=1)

    def compact(self) -> dict:
        """vectors, texts (with a column item), history and user as the constructor takes them, updates included."""
        import pyarrow as pa

        item, row = slices(self._begin, self._end, np.arange(len(self._rows) + self._used))
        vectors, packed = self._rows, self._packed
        if self._used:
            vectors = np.concatenate([vectors, self._added[: self._used]])[row]
            added = pa.array([text.decode() for text in self._added_texts], pa.large_string())
            packed = pa.concat_arrays([packed, added]).take(pa.array(row))
        user, at = slices(self._user_begin, self._user_end, np.arange(len(self._history)))
        history = self._history
        if self._fresh:
            keep = ~np.isin(user, list(self._fresh))
            new = sorted(self._fresh)
            history = np.concatenate([history[at[keep]], *(self._fresh[u] for u in new)])
            user = np.concatenate([user[keep], np.repeat(new, [len(self._fresh[u]) for u in new])])
            order = np.argsort(user, kind="stable")
            history, user = history[order], user[order]
        return {
            "vectors": floats(vectors),
            "texts": unpack(packed, item),
            "history": floats(history),
            "user": user,
        }
