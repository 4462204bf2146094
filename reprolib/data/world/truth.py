"""Ground truth beside the raw files: what only the generator knows. For checks and oracles, never for models."""

from pathlib import Path

import numpy as np
import polars as pl

from reprolib.data.world.domains import SESSIONS
from reprolib.data.world.raw import Made
from reprolib.data.world.vocabulary import poles, traits, vocabulary

TABLES = ("traits", "users", "intents", "items", "reviews")


def trait_columns(values: np.ndarray) -> dict[str, np.ndarray]:
    """One column per trait of values (n, T)."""
    return {trait: values[:, t].astype(np.float32) for t, (trait, _, _) in enumerate(traits())}


def domain_truth(made: Made, personas: np.ndarray, states: np.ndarray) -> dict[str, pl.DataFrame]:
    """The tables of one domain.

    users    domain, user, one column per trait: persona θ of the user in this domain
    intents  the same per session: state s of docs/miniature-world.md
    items    domain, item, facet, creator, popularity, quality, one column per trait
    reviews  domain, user, item, timestamp, session, random, rating, motive, expressed (names of poles)
    """
    events, items = made.events, made.items
    active = np.unique(events.user)
    ids, names = np.array(made.user_ids), np.array([pole.name for pole in poles()])
    facets = np.array(vocabulary(made.domain.vocabulary).facets)
    frames = {
        "users": {"user": ids[active], **trait_columns(personas[active])},
        "intents": {
            "user": np.repeat(ids[active], SESSIONS),
            "session": np.tile(np.arange(SESSIONS), len(active)),
            **trait_columns(states[active].reshape(len(active) * SESSIONS, -1)),
        },
        "items": {
            "item": np.array(made.item_ids),
            "facet": facets[items.facet],
            "creator": np.array(made.item_texts.creator),
            "popularity": items.popularity,
            "quality": items.quality,
            **trait_columns(items.traits),
        },
        "reviews": {
            "user": ids[events.user],
            "item": np.array(made.item_ids)[events.item],
            "timestamp": events.time,
            "session": events.session,
            "random": events.random,
            "rating": events.rating,
            "motive": names[made.reviews.motive],
            "expressed": names[made.reviews.expressed],
        },
    }
    return {
        table: pl.DataFrame(columns).select(pl.lit(made.name).alias("domain"), pl.all())
        for table, columns in frames.items()
    }


def write_truth(folder: Path, parts: list[dict[str, pl.DataFrame]]) -> None:
    """truth/<table>.parquet for every name in TABLES."""
    folder.mkdir()
    named = pl.DataFrame(traits(), schema=["trait", "low", "high"], orient="row")
    for table in TABLES:
        frame = named if table == "traits" else pl.concat([part[table] for part in parts])
        frame.write_parquet(folder / f"{table}.parquet", compression="zstd", statistics=False)
