"""What all raw formats share: one finished domain, identifiers, deterministic files, dates."""

import gzip
import string
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import gmtime

import numpy as np

from reprolib.data.world.domains import DOMAINS, Domain, Size, segment, stream
from reprolib.data.world.latent import DAY, Events, Items
from reprolib.data.world.texts import ItemTexts, ReviewTexts

UPPER, HEX = string.digits + string.ascii_uppercase, string.digits + "abcdef"
BASE64 = string.digits + string.ascii_letters + "-_"
USERS = {  # population -> prefix, alphabet, number of drawn characters
    "amazon": ("A", UPPER, 13),
    "amazon2023": ("AE", UPPER, 26),
    "goodreads": ("", HEX, 32),
    "steam": ("76561198", string.digits, 9),
    "yelp": ("", BASE64, 22),
}
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A finished domain: its parts, the identifiers of its items and of the users of its community."""

    name: str
    domain: Domain
    items: Items
    events: Events
    item_texts: ItemTexts
    reviews: ReviewTexts
    item_ids: list[str]
    user_ids: list[str]
    rng: np.random.Generator  # for the fields that mean nothing: prices, votes

    def rows(self, by_item: bool = False) -> list[tuple]:
        """(user id, item id, item number, seconds, stars, text, headline) per event, by item as Amazon sorts, or
        by user."""
        events = self.events
        order = np.lexsort((events.time, events.item)) if by_item else np.arange(len(events.item))
        columns = (
            events.user[order],
            events.item[order],
            events.time[order],
            events.rating[order],
            order,
        )
        body, headline = self.reviews.body, self.reviews.headline
        return [
            (self.user_ids[user], self.item_ids[item], item, time, stars, body[k], headline[k])
            for user, item, time, stars, k in zip(*(c.tolist() for c in columns), strict=True)
        ]


def identifiers(
    prefix: str, alphabet: str, length: int, n: int, rng: np.random.Generator
) -> list[str]:
    """n distinct identifiers; more of them begin with the same ones."""
    found = {}
    while len(found) < n:
        for row in rng.integers(0, len(alphabet), (n, length)).tolist():
            found[prefix + "".join([alphabet[k] for k in row])] = None
    return list(found)[:n]


def user_ids(domain: Domain, size: Size, seed: int) -> list[str]:
    """Identifiers of the users of a community, in the style of the source; neighbouring communities share some."""
    first = domain.community * segment(size)
    rng = stream(seed, "user ids", domain.population)
    return identifiers(*USERS[domain.population], first + size.users, rng)[first:]


def item_ids(name: str, n: int, seed: int) -> list[str]:
    """Identifiers of the items of a domain, in the style of its source; no two domains share one."""
    domain, place = DOMAINS[name], list(DOMAINS).index(name)
    if domain.source == "yelp":
        prefix, alphabet, length = "", BASE64, 22
    elif domain.source in ("goodreads", "steam"):
        prefix, alphabet, length = str(1 + place % 9), string.digits, 6
    elif domain.vocabulary == "books":
        prefix, alphabet, length = f"{place:02d}", string.digits, 8
    else:
        prefix, alphabet, length = f"B0{place:X}", UPPER, 7
    return identifiers(prefix, alphabet, length, n, stream(seed, "item ids", name))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """UTF-8 lines, gzip-compressed if the name says so; the same lines give the same bytes."""
    data = "".join(f"{line}\n" for line in lines).encode()
    if path.suffix != ".gz":
        path.write_bytes(data)
        return
    path.write_bytes(gzip.compress(data, compresslevel=1, mtime=0))


@cache
def day(number: int) -> tuple[int, int, int, int]:
    """Year, month, day and weekday (0 = Monday) of a day since 1970."""
    moment = gmtime(number * DAY)
    return moment.tm_year, moment.tm_mon, moment.tm_mday, moment.tm_wday


def clock(seconds: int) -> str:
    """The time of day, HH:MM:SS."""
    rest = seconds % DAY
    return f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
