"""The thirteen domains of the miniature world: which population acts in them, when, how much, in which raw format."""

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

TRAITS, FACETS, SESSIONS = 8, 8, 8


@dataclass(frozen=True)
class Size:
    """`users` per community, `activity` scales the mean number of events, `items` those of a domain of weight 1.

    core  events that an item of a prepared data set has at least
    """

    users: int
    items: int
    activity: float
    core: int = 5


SIZES = {
    "smoke": Size(users=430, items=140, activity=0.7),
    "small": Size(users=800, items=200, activity=1.0),
    "quick": Size(users=2700, items=800, activity=1.0),
    # about two training events an item of food, and some with none: ids cannot learn what an item is like
    "sparse": Size(users=600, items=800, activity=0.5, core=1),
}
# name in "world-NAME/..." -> knobs that differ from the defaults of `make_world`
WORLDS: dict[str, dict[str, object]] = {
    **{size: {"size": size} for size in SIZES},
    "sparse-uncorrelated": {"size": "sparse", "correlation": 0.0},
    "sparse-textless": {"size": "sparse", "text": 0.0},
}
STRIDE = 0.85  # neighbouring communities of a population start this share of a community apart: 15 % are in both


@dataclass(frozen=True)
class Domain:
    """One domain.

    vocabulary  its YAML file; population: who acts in it; community: position in that population
    era         the years, shared by all domains of an era, so that their sessions interleave
    events      mean number of events of a user (before `Size.activity`); weight scales the number of items
    source      raw format; stem: the part of the raw file names that names the domain
    """

    vocabulary: str
    source: str
    population: str
    community: int
    era: tuple[str, str]
    events: float
    weight: float = 1.0
    stem: str = ""


E14, E18 = ("2012-01-01", "2014-07-01"), ("2018-01-02", "2018-10-01")
DOMAINS = {
    "food": Domain("food", "amazon2014", "amazon", 0, E14, 9, 0.8, "Grocery_and_Gourmet_Food"),
    "kitchen": Domain("kitchen", "amazon2014", "amazon", 0, E14, 13, 1.0, "Home_and_Kitchen"),
    "movies": Domain("movies", "amazon2014", "amazon", 1, E14, 13, 1.0, "Movies_and_TV"),
    "books": Domain("books", "amazon2014", "amazon", 1, E14, 12, 1.2, "Books"),
    "cds": Domain("cds", "amazon2014", "amazon", 1, E14, 10, 0.8, "CDs_and_Vinyl"),
    "cloth": Domain("cloth", "amazon2018", "amazon", 2, E18, 15, 1.1, "Clothing_Shoes_and_Jewelry"),
    "sport": Domain("sport", "amazon2018", "amazon", 2, E18, 8, 0.8, "Sports_and_Outdoors"),
    "electronics": Domain("electronics", "amazon2018", "amazon", 3, E18, 15, 1.1, "Electronics"),
    "phones": Domain(
        "phones", "amazon2018", "amazon", 3, E18, 9, 0.8, "Cell_Phones_and_Accessories"
    ),
    "books2023": Domain(
        "books", "amazon2023", "amazon2023", 0, ("2019-01-01", "2023-03-01"), 12, 1.0, "Books"
    ),
    "goodreads": Domain(
        "books", "goodreads", "goodreads", 0, ("2012-01-01", "2017-10-01"), 14, 1.0
    ),
    "games": Domain("games", "steam", "steam", 0, ("2011-01-01", "2015-12-31"), 11, 0.8),
    "restaurants": Domain("restaurants", "yelp", "yelp", 0, ("2014-01-01", "2019-12-01"), 12, 0.8),
}


def stream(seed: int, *names: str) -> np.random.Generator:
    """A generator of its own for every name: adding a domain leaves the draws of the others as they are."""
    return np.random.default_rng(
        np.random.SeedSequence(seed, spawn_key=[zlib.crc32(n.encode()) for n in names])
    )


def window(domain: Domain) -> tuple[int, int]:
    """First and last second (UTC, exclusive end) in which events of the domain happen."""
    start, end = (
        int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) for day in domain.era
    )
    return start, end


def segment(size: Size) -> int:
    """Users by which one community starts after the one before it."""
    return round(STRIDE * size.users)
