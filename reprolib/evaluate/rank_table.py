"""The RankTable: what an evaluation leaves. Its factors are columns; a label is made where a table is printed."""

import pandas as pd

SYSTEM = ("system", "variant", "on")  # who ranked
FACTORS = (*SYSTEM, "dataset", "direction", "seed", "protocol")
OF_USER = ("user", "rank", "candidates", "item_count", "item_place", "history")
RANK_COLUMNS = (*FACTORS, "negatives", *OF_USER)


def check_ranks(table: pd.DataFrame) -> pd.DataFrame:
    """The table itself if it is a RankTable, else a ValueError that says what is missing or impossible.

    One row per (system, variant, on, dataset, direction, seed, protocol, user).

    system      name in the registry of systems
    variant     what tells this setting of the system from others: "", "w/o CDBehav", "K=4"
    on          the first stage whose lists a reranker reorders, else ""
    direction   "source->target" or one domain
    protocol    how the data were split: "leave-one-out"
    negatives   sampled items that the held-out one was ranked among; 0 = all
    rank        in 1..candidates (halves are ties)
    candidates  number of ranked items, the held-out one included
    item_count  the held-out item's number of training events; item_place: its place among the candidates by that
                number (0 = most popular, 1 = least)
    history     number of the user's training events in the target domain
    """
    missing = [column for column in RANK_COLUMNS if column not in table.columns]
    if missing:
        raise ValueError(
            f"RankTable: columns {', '.join(missing)} are missing; it has {', '.join(table.columns)}"
        )
    if not table["rank"].between(1, table["candidates"]).all():
        raise ValueError("RankTable: a rank lies outside 1..candidates (NaN counts as outside)")
    return table


def label(system: str, variant: str = "", on: str = "") -> str:
    """How a table calls a system: "SemaCDR w/o CDBehav", "PERSONA4REC M=3 on BPR-MF"."""
    name = f"{system} {variant}" if variant else system
    return f"{name} on {on}" if on else name


def labels(table: pd.DataFrame) -> pd.Series:
    """The label of every row, as a categorical in order of appearance; columns variant and on may be absent."""
    columns = [column for column in SYSTEM if column in table]
    codes, factors = _distinct(table[columns])
    names = [label(**dict(zip(columns, map(str, row), strict=True))) for row in factors]
    categories = list(dict.fromkeys(names))
    place = [categories.index(name) for name in names]
    chosen = pd.Categorical.from_codes([place[code] for code in codes], categories)
    return pd.Series(chosen, index=table.index, name="system")


def _distinct(frame: pd.DataFrame) -> tuple[list[int], list[tuple]]:
    """(number of each row's combination, the combinations in order of appearance)."""
    grouped = frame.groupby(list(frame.columns), sort=False, observed=True, dropna=False)
    codes = grouped.ngroup()
    first = ~codes.duplicated()
    order = frame[first].assign(code=codes[first]).sort_values("code")
    rows = [row[:-1] for row in order.itertuples(index=False, name=None)]
    return codes.tolist(), rows
