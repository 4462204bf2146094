"""DBpedia linking: items to resources by label, checked by creator or year (sheet, section 11: precision first)."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pandas as pd

from reprolib.data.dataset import Dataset
from reprolib.data.origin import Origin
from reprolib.data.readers.dbpedia import read_dbpedia
from reprolib.papers.persona_kg.sparql import ask_endpoint

LABEL = "http://www.w3.org/2000/01/rdf-schema#label"
CREATORS = ("author", "director", "writer", "developer", "musicalArtist")
YEARS = ("releaseDate", "publicationDate", "released", "year")
WANTED = (LABEL, *(f"http://dbpedia.org/ontology/{name}" for name in (*CREATORS, *YEARS)))
NOT_A_WORD = re.compile(r"[^\w]+")
YEAR = re.compile(r"\b(1[89]\d\d|20\d\d)\b")
LINKED, AMBIGUOUS, CONTRADICTED, NO_LABEL = "linked", "ambiguous", "contradicted", "no such label"


@dataclass(frozen=True)
class Links:
    """Items and what became of each.

    table   item (id), resource ("" where it is not linked), outcome: "linked", "ambiguous" (several resources fit),
            "contradicted" (same label, other creator or year) or "no such label"
    origin  of the items
    """

    table: pd.DataFrame
    origin: Origin = field(default_factory=Origin)

    @property
    def rate(self) -> float:
        """Share of the items that are linked."""
        return float((self.table["outcome"] == LINKED).mean())

    def summary(self) -> pd.DataFrame:
        """outcome, items, share: one row an outcome."""
        order = [LINKED, AMBIGUOUS, CONTRADICTED, NO_LABEL]
        counts = self.table["outcome"].value_counts().reindex(order, fill_value=0)
        shares = counts / max(len(self.table), 1)
        return pd.DataFrame({"outcome": order, "items": counts.values, "share": shares.values})


def read_resources(triples: str | Path) -> pd.DataFrame:
    """resource, label, creators (frozenset of keys), years (frozenset) of an N-Triples snapshot.

    Raises DataError where the file holds no label.
    """
    facts, _ = read_dbpedia(triples, predicates=(LABEL, *CREATORS, *YEARS), progress=False)
    return resource_table(facts.to_pandas())


def resource_table(facts: pd.DataFrame) -> pd.DataFrame:
    """resource, label, creators, years of facts (subject, relation, object); a resource without a label is left out."""
    labels = facts[facts["relation"] == LABEL].groupby("subject")["object"].first()
    creators = facts[facts["relation"].isin(CREATORS)].groupby("subject")["object"]
    creators = creators.agg(lambda names: frozenset(key_of(name) for name in names))
    years = facts[facts["relation"].isin(YEARS)].groupby("subject")["object"]
    years = years.agg(lambda dates: frozenset(YEAR.findall(" ".join(dates))))
    table = pd.DataFrame({"label": labels})
    for column, values in (("creators", creators), ("years", years)):
        found = values.reindex(table.index)
        table[column] = [sets if isinstance(sets, frozenset) else frozenset() for sets in found]
    return table.rename_axis("resource").reset_index()


def link_items(items: pd.DataFrame, resources: pd.DataFrame, origin: Origin | None = None) -> Links:
    """Link items to resources of the same label whose creator or year does not contradict.

    items      item (id), title, creator; a year is read off the title
    resources  from `read_resources`
    A creator that both know must be the same, and so must a year; where neither side knows one, the label decides.
    Of several resources that fit, one that a creator or year confirms is taken if it is the only one.
    """
    by_label = {
        key: part
        for key, part in resources.assign(key=resources["label"].map(key_of)).groupby("key")
    }
    rows = []
    for item in items.itertuples():
        candidates = by_label.get(key_of(item.title))
        rows.append((item.item, *_resource_of(item.title, item.creator, candidates)))
    table = pd.DataFrame(rows, columns=["item", "resource", "outcome"])
    return Links(table, origin or Origin())


def link_dataset(dataset: Dataset, source: str | Path) -> Links:
    """`link_items` for the target's items of a data set.

    source  an N-Triples file, or the address of a SPARQL endpoint
    """
    first, last = dataset.split.candidates
    texts = dataset.item_texts.loc[first:last]
    items = texts.assign(item=[str(i) for i in dataset.split.items[first - 1 : last]])
    if str(source).startswith(("http://", "https://")):
        resources = resource_table(ask_endpoint(str(source), items["title"].tolist(), WANTED))
    else:
        resources = read_resources(source)
    return link_items(items, resources, dataset.origin)


def snapshot_of(dataset: Dataset, triples: str) -> str | Path | None:
    """What to link by: the given file or endpoint, a miniature world's own file, or None: the set comes linked."""
    from reprolib.data.datasets import WORLD, world_folder

    if triples:
        return triples
    if dataset.name.startswith(WORLD):
        size = dataset.name.removeprefix(WORLD).partition("/")[0]
        return world_folder(size) / "dbpedia_facts.nt.gz"
    return None


def links_of(dataset: Dataset, triples: str = "") -> Links:
    """The links of a data set: ours where there is a snapshot, else those it was published with.

    triples  an N-Triples file, a SPARQL endpoint, or ""; see `snapshot_of`
    A published link shows as an item with facts; the others have the outcome "no such label".
    """
    snapshot = snapshot_of(dataset, triples)
    if snapshot is not None:
        return link_dataset(dataset, snapshot)
    first, last = dataset.split.candidates
    items = [str(i) for i in dataset.split.items[first - 1 : last]]
    facts = dataset.corpus.facts
    subjects = set() if facts is None else set(facts["subject"].to_list())
    outcomes = [LINKED if item in subjects else NO_LABEL for item in items]
    resources = [item if item in subjects else "" for item in items]
    table = pd.DataFrame({"item": items, "resource": resources, "outcome": outcomes})
    return Links(table, dataset.origin)


def known_links(path: str | Path) -> dict[str, str]:
    """{item: resource} of a file of links (tab-separated: item, URI), as a check of our own linking."""
    frame = pd.read_csv(path, sep="\t", dtype=str)
    return dict(zip(frame["item"], frame["uri"].map(_local), strict=True))


def agreement(links: Links, truth: dict[str, str]) -> dict[str, float]:
    """Precision and recall of the links against known ones {item: resource}; NaN where nothing is there to count."""
    ours = links.table[links.table["outcome"] == LINKED].set_index("item")["resource"].to_dict()
    right = sum(truth.get(item) == resource for item, resource in ours.items())
    possible = sum(item in truth for item in links.table["item"])
    return {
        "precision": right / len(ours) if ours else float("nan"),
        "recall": right / possible if possible else float("nan"),
    }


def key_of(text: str) -> str:
    """A name without case, punctuation, and what stands in brackets: "The Hobbit (novel)" is "the hobbit"."""
    plain = re.sub(r"\([^)]*\)", " ", text.replace("_", " "))
    return NOT_A_WORD.sub(" ", plain).strip().casefold()


def _local(uri: str) -> str:
    """The local name of a DBpedia resource, percent signs resolved."""
    return unquote(uri).removeprefix("http://dbpedia.org/resource/")


def _resource_of(title: str, creator: str, candidates: pd.DataFrame | None) -> tuple[str, str]:
    """(resource, outcome) of one item among the resources of its label."""
    if candidates is None:
        return "", NO_LABEL
    year = frozenset(YEAR.findall(title))
    maker = frozenset([key_of(creator)] if creator else [])
    fitting, confirmed = [], []
    for row in candidates.itertuples():
        checks = [(maker, row.creators), (year, row.years)]
        known = [bool(ours & theirs) for ours, theirs in checks if ours and theirs]
        if not all(known):
            continue
        fitting.append(row.resource)
        if known:
            confirmed.append(row.resource)
    if not fitting:
        return "", CONTRADICTED
    if len(confirmed) == 1:
        return confirmed[0], LINKED
    if len(fitting) == 1:
        return fitting[0], LINKED
    return "", AMBIGUOUS
