"""Is a run worth a verdict? How its training ended, and whether it clears what needs no training."""

import pandas as pd

from reprolib.evaluate.rank_table import SYSTEM, labels
from reprolib.runs.systems import FLOORS

FINISHED, UNFINISHED, BELOW, UNTRAINED = "finished", "unfinished", "below the floor", "no training"
# a best look beyond this share of the limit would have been followed by better ones
LAST_TENTH = 0.9
NO_VERDICT = "no verdict because"
PLACE = ["dataset", "direction", "protocol"]


def is_unfinished(looks: int, best_look: int, ended: str) -> bool:
    """Did training reach its limit while it was still rising: is the best look among the last tenth of the looks?

    Also where training was interrupted. A system without looks is not trained in this sense.
    """
    if ended == "interrupted":
        return True
    return ended == "limit" and looks > 0 and best_look > LAST_TENTH * looks


def training_states(
    ranks: pd.DataFrame, cost: pd.DataFrame, metric: str = "NDCG@10"
) -> pd.DataFrame:
    """One row per system, variant, on and place: its state (see the constants) in column "training".

    ranks, cost  of a `Grid` or of the store
    A system is below the floor where its mean metric is below that of the best floor that ran at the same place. One
    unfinished seed makes a system unfinished.
    """
    # imported here, so that a run does not load what cannot move its ranks
    from reprolib.evaluate.metrics import value

    keys = [*SYSTEM, *PLACE]
    if not len(ranks):
        return pd.DataFrame(columns=[*keys, "training"])
    means = ranks[keys].assign(mean=value(ranks["rank"].to_numpy(), metric))
    means = means.groupby(keys, sort=False, observed=True)["mean"].mean().reset_index()
    floors = means[means["system"].isin(FLOORS)].groupby(PLACE, observed=True)["mean"].max()
    floor_here = means.set_index(PLACE).index.map(floors.to_dict())
    unfinished = cost.assign(
        unfinished=[
            is_unfinished(looks, best, ended)
            for looks, best, ended in zip(
                cost["looks"], cost["best_look"], cost["ended"], strict=True
            )
        ]
    )
    unfinished = unfinished.groupby(keys, observed=True)["unfinished"].any().to_dict()
    states = []
    for row, floor in zip(means.itertuples(index=False), floor_here, strict=True):
        if row.system in FLOORS:
            states.append(UNTRAINED)
        elif pd.notna(floor) and row.mean < floor:
            states.append(BELOW)
        elif unfinished.get(tuple(row)[: len(keys)], False):
            states.append(UNFINISHED)
        else:
            states.append(FINISHED)
    return means[keys].assign(training=states)


def mark_tests(
    tests: pd.DataFrame,
    ranks: pd.DataFrame,
    cost: pd.DataFrame,
    sides: tuple[str, ...] = ("system", "rival"),
    eligible: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Paired tests with the column "no verdict because": a side unfinished or below the floor, or a single seed.

    tests        from `best_rivals`, `against_each` or `leak_gain`
    ranks, cost  of the grid that was tested
    sides        the columns of tests that name a system
    eligible     table of `reprolib.data.statistics.eligibility`: its reasons are reasons here, too
    The mark is empty where a test carries a verdict.
    """
    states = training_states(ranks, cost)
    states = states.assign(label=labels(states))
    unfit = {
        (row.dataset, row.direction, row.label): f"{row.label} {row.training}"
        for row in states.itertuples()
        if row.training in (UNFINISHED, BELOW)
    }
    poor_data = {}
    if eligible is not None:
        places = zip(eligible["data set"], eligible["direction"], strict=True)
        poor_data = dict(zip(places, eligible["not eligible because"], strict=True))
    marks = []
    for row in tests.to_dict("records"):
        sides_here = [unfit.get((row["dataset"], row["direction"], row[side])) for side in sides]
        single = "one seed" if row["seeds"] < 2 else ""
        place = poor_data.get((row["dataset"], row["direction"]))
        marks.append("; ".join(filter(None, [*sides_here, single, place])))
    return tests.assign(**{NO_VERDICT: marks})
