"""Knowledge-graph facts on books and movies as DBpedia N-Triples, and the links from items to resources.

Facts come from the true traits whatever the knob `text` says: the graph is a source of its own.
"""

import re
from pathlib import Path
from urllib.parse import quote

import numpy as np

from reprolib.data.world.domains import stream
from reprolib.data.world.raw import Made, write_lines
from reprolib.data.world.texts import pick, pole_of, salience
from reprolib.data.world.vocabulary import load, poles, split

RESOURCE, ONTOLOGY = "http://dbpedia.org/resource/", "http://dbpedia.org/ontology/"
SUBJECT, LABEL = "http://purl.org/dc/terms/subject", "http://www.w3.org/2000/01/rdf-schema#label"
LINKED = 0.85  # share of items that have a resource
TRUE_SUBJECTS = 0.9  # share of subjects that name a true trait of the item
KINDS = {"books": ("novel", "author"), "movies": ("film", "director")}


def resource(name: str) -> str:
    """The DBpedia URI of a name."""
    return RESOURCE + quote(name.replace(" ", "_"), safe="_(),'!:-.")


def write_dbpedia(folder: Path, made: dict[str, Made], seed: int) -> None:
    """dbpedia_facts.nt.gz for the domains of KINDS, and links_<domain>.tsv (item, URI)."""
    triples: dict[str, None] = {}
    for name, (kind, role) in KINDS.items():
        rng = stream(seed, "facts", name)
        one = made[name]
        linked = np.flatnonzero(rng.random(len(one.item_ids)) < LINKED).tolist()
        uris = {
            i: resource(f"{re.sub(', .*', '', one.item_texts.name[i])} ({kind})") for i in linked
        }
        uris = distinct(uris)
        links = [f"{one.item_ids[i]}\t{uri}" for i, uri in uris.items()]
        write_lines(folder / f"links_{name}.tsv", ["item\turi", *links])
        subjects, cast = (
            item_subjects(one, rng),
            rng.integers(0, 60, (len(one.item_ids), 3)).tolist(),
        )
        for i, uri in uris.items():
            for predicate, value in facts(one, i, role, subjects[i], cast[i]):
                triples[f"<{uri}> <{predicate}> {value} ."] = None
    write_lines(folder / "dbpedia_facts.nt.gz", triples)


def facts(
    made: Made, item: int, role: str, subjects: list[str], cast: list[int]
) -> list[tuple[str, str]]:
    """(predicate, object in N-Triples notation) of one item."""
    texts, genre = made.item_texts, made.item_texts.categories[item][1]
    label = texts.name[item].replace("\\", "\\\\").replace('"', '\\"')
    found = [(LABEL, f'"{label}"@en'), (ONTOLOGY + role, f"<{resource(texts.creator[item])}>")]
    found += [
        (ONTOLOGY + "genre", f"<{resource(genre)}>"),
        (SUBJECT, f"<{resource('Category:' + genre)}>"),
    ]
    found += [(SUBJECT, f"<{resource('Category:Works about ' + subject)}>") for subject in subjects]
    if texts.series[item]:
        found.append((ONTOLOGY + "series", f"<{resource(texts.series[item])}>"))
    if role == "director":
        first, last = (split(part) for part in (load("names")["first"], load("names")["last"]))
        for actor in cast:
            name = f"{first[actor % len(first)]} {last[(7 * actor + 3) % len(last)]} (actor)"
            found.append((ONTOLOGY + "starring", f"<{resource(name)}>"))
    return list(dict.fromkeys(found))


def item_subjects(made: Made, rng: np.random.Generator) -> list[list[str]]:
    """Two trait-bearing subjects per item."""
    items, n = made.items, len(made.item_ids)
    rows = [[] for _ in range(n)]
    for _ in range(2):
        true = pole_of(items.traits, pick(salience(items), rng))
        pole = np.where(rng.random(n) < TRUE_SUBJECTS, true, rng.integers(0, len(poles()), n))
        for row, number, k in zip(rows, pole.tolist(), rng.integers(0, 3, n).tolist(), strict=True):
            row.append(poles()[number].about[k])
    return rows


def distinct(uris: dict[int, str]) -> dict[int, str]:
    """The URIs with a number behind the second and later of equal ones."""
    seen: dict[str, int] = {}
    for i, uri in uris.items():
        seen[uri] = seen.get(uri, 0) + 1
        if seen[uri] > 1:
            uris[i] = f"{uri[:-1]}_{seen[uri]})"
    return uris
