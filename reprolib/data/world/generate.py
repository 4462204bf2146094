"""All domains of a world into a folder, and the description that goes beside them."""

import hashlib
import json
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from reprolib.data.world.domains import DOMAINS, SIZES, stream
from reprolib.data.world.latent import domain_states, make_events, make_items, make_people
from reprolib.data.world.raw import Made, item_ids, user_ids
from reprolib.data.world.texts import item_texts, review_texts
from reprolib.data.world.truth import domain_truth, write_truth
from reprolib.data.world.write_amazon import write_amazon2014, write_amazon2018, write_amazon2023
from reprolib.data.world.write_dbpedia import KINDS, write_dbpedia
from reprolib.data.world.write_others import write_goodreads, write_steam, write_yelp

SOURCES = sorted(
    path for path in Path(__file__).parent.rglob("*") if path.suffix in (".py", ".yaml")
)
# a world that other code or other words have written is not this one: it is made anew
VERSION = hashlib.sha256(b"\0".join(path.read_bytes() for path in SOURCES)).hexdigest()[:16]
WRITERS = {
    "amazon2014": write_amazon2014,
    "amazon2018": write_amazon2018,
    "amazon2023": write_amazon2023,
    "goodreads": write_goodreads,
    "steam": write_steam,
    "yelp": write_yelp,
}


def write_world(folder: Path, knobs: dict) -> None:
    """Write all raw files, truth/ and world.json into the empty folder."""
    size, seed, counts, truths, linked = SIZES[knobs["size"]], knobs["seed"], {}, [], {}
    for name, domain in tqdm(DOMAINS.items(), desc="miniature world", unit="domain", leave=False):
        people = make_people(domain, size, seed)
        items = make_items(name, round(domain.weight * size.items), seed)
        personas, states = domain_states(people, name, seed, knobs["correlation"])
        events = make_events(name, domain, size, people, items, states, seed, knobs["noise"])
        made = Made(
            name=name,
            domain=domain,
            items=items,
            events=events,
            item_texts=item_texts(domain, items, knobs["text"], stream(seed, "item texts", name)),
            reviews=review_texts(
                domain, items, events, knobs["text"], stream(seed, "review texts", name)
            ),
            item_ids=item_ids(name, len(items.facet), seed),
            user_ids=user_ids(domain, size, seed),
            rng=stream(seed, "fields", name),
        )
        WRITERS[domain.source](folder, made)
        truths.append(domain_truth(made, personas, states))
        users = len(np.unique(events.user))
        counts[name] = {"users": users, "items": len(items.facet), "interactions": len(events.user)}
        if name in KINDS:
            linked[name] = made
    write_dbpedia(folder, linked, seed)
    write_truth(folder / "truth", truths)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
    described = {"version": VERSION, **knobs, "domains": counts, "files": digests}
    (folder / "world.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
