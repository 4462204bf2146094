"""Does the encoder find what the judge chose? Ranks of chosen personas, and of items by their best persona (Eq. 10)."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from reprolib.data.split import slices
from reprolib.evaluate.metrics import value
from reprolib.papers.persona4rec.encoder import user_vectors
from reprolib.papers.persona4rec.head import HeadEncoder
from reprolib.papers.persona4rec.offline import Offline


def persona_scores(
    offline: Offline,
    pairs: pd.DataFrame,
    encode: Callable[[list[str]], np.ndarray],
    gamma: float = 0.65,
    history: int = 10,
) -> np.ndarray:
    """(pairs, personas) cosines of what each user did before with every persona; only what is read is encoded."""
    start, end = offline.before(pairs)
    start = np.maximum(start, end - history)
    row, at = slices(start, end, np.arange(len(offline.interactions)))
    vectors = encode(offline.interactions["text"].iloc[at].tolist())
    ptr = np.searchsorted(row, np.arange(len(pairs) + 1))
    users = user_vectors(vectors, ptr, gamma, history)
    return users @ encode(offline.personas["text"].tolist()).T


def item_quality(
    offline: Offline, pairs: pd.DataFrame, gamma: float, history: int
) -> Callable[[HeadEncoder], float]:
    """encoder -> mean reciprocal rank of the pairs' items among these items, each by its best persona (Eq. 10)."""
    few = only_items_of(offline, pairs)

    def quality(encoder: HeadEncoder) -> float:
        scores = persona_scores(few, pairs, encoder.encode, gamma, history)
        return float(expected(item_ranks(few, pairs, scores), "MRR").mean())

    return quality


def popularity_scores(offline: Offline, pairs: pd.DataFrame) -> np.ndarray:
    """(pairs, personas): by how many training reviews each persona was made, the same for everybody."""
    return np.tile(offline.personas["evidence"].map(len).to_numpy(np.float32), (len(pairs), 1))


def retrieval_table(
    offline: Offline, pairs: pd.DataFrame, scores: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """One row per named (pairs, personas) score, with half-widths of 95 % intervals over the pairs ("... ±").

    own persona    share of pairs whose chosen persona is the best of its item
    persona MRR    rank of the chosen persona among all personas of items not met before
    item MRR, HR@10  rank of the chosen item by its best persona (Eq. 10) among such items
    """
    rows = []
    for name, score in scores.items():
        own, ranked = own_persona(offline, pairs, score), persona_ranks(offline, pairs, score)
        item = item_ranks(offline, pairs, score)
        found = {
            "own persona": own,
            "persona MRR": expected(ranked, "MRR"),
            "item MRR": expected(item, "MRR"),
            "item HR@10": expected(item, "HR@10"),
        }
        row = {"scored by": name}
        for measure, values in found.items():
            row |= {
                measure: values.mean(),
                f"{measure} ±": 1.96 * values.std(ddof=1) / np.sqrt(len(values)),
            }
        rows.append(row | {"pairs": len(pairs)})
    return pd.DataFrame(rows)


def expected(ranked: pd.DataFrame, metric: str) -> np.ndarray:
    """(pairs,): the metric's mean over all orders of the things that tie; `ranked` from `persona_ranks`."""
    summed = np.concatenate(
        [[0.0], value(np.arange(1, ranked["among"].max() + 1), metric).cumsum()]
    )
    ties = ranked["ties"].to_numpy()
    better = (ranked["rank"].to_numpy() - 1 - ties / 2).astype(int)
    return (summed[better + ties + 1] - summed[better]) / (ties + 1)


def only_items_of(offline: Offline, pairs: pd.DataFrame) -> Offline:
    """The same with the personas of the pairs' items alone: what these users chose competes, and nothing else."""
    kept = offline.personas[offline.personas["item"].isin(pairs["item"])]
    return replace(offline, personas=kept.reset_index(drop=True))


def persona_ranks(offline: Offline, pairs: pd.DataFrame, scores: np.ndarray) -> pd.DataFrame:
    """The pairs with `rank`, that of the chosen persona among all personas but those of items the user met before.

    The other personas of the item compete as well. 1 is best, a tie counts half; `ties` says with how many it tied,
    `among` how many competed.
    """
    return _ranked(
        offline, pairs, scores, offline.personas["item"].to_numpy(), _columns(offline, pairs)
    )


def item_ranks(offline: Offline, pairs: pd.DataFrame, scores: np.ndarray) -> pd.DataFrame:
    """The same for the chosen item, each item scored by its best persona (Eq. 10)."""
    items, first = np.unique(offline.personas["item"], return_index=True)  # personas stand by item
    best = np.maximum.reduceat(scores, first, axis=1)
    return _ranked(offline, pairs, best, items, np.searchsorted(items, pairs["item"]))


def own_persona(offline: Offline, pairs: pd.DataFrame, scores: np.ndarray) -> np.ndarray:
    """(pairs,): 1 where the chosen persona has the highest score of its item; k personas that share it count 1 / k."""
    chosen = _columns(offline, pairs)
    own = np.where(
        offline.personas["item"].to_numpy()[None] == pairs["item"].to_numpy()[:, None],
        scores,
        -np.inf,
    )
    best = own == own.max(1, keepdims=True)
    return best[np.arange(len(pairs)), chosen] / best.sum(1)


def _columns(offline: Offline, pairs: pd.DataFrame) -> np.ndarray:
    """Row of `personas` of each pair's chosen persona."""
    keys = ["item", "persona"]
    column = {
        key: n for n, key in enumerate(offline.personas[keys].itertuples(index=False, name=None))
    }
    return np.array([column[key] for key in pairs[keys].itertuples(index=False, name=None)], int)


def _ranked(offline, pairs, scores, item, chosen) -> pd.DataFrame:
    """scores (pairs, n) of things that belong to `item` (n,); the thing in column `chosen` (pairs,) is ranked."""
    row, met = slices(*offline.before(pairs), offline.interactions["item"].to_numpy())
    seen = np.zeros((len(pairs), max(item.max(initial=0), met.max(initial=0)) + 1), bool)
    seen[row, met] = True
    rows = np.arange(len(pairs))
    allowed = ~seen[:, item]
    allowed[rows, chosen] = True
    held = scores[rows, chosen][:, None]
    better, ties = ((scores > held) & allowed).sum(1), ((scores == held) & allowed).sum(1) - 1
    return pairs.assign(rank=1 + better + ties / 2, ties=ties, among=allowed.sum(1))
