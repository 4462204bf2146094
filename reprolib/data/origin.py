"""Where numbers come from: read off the data and runs behind them, never typed by hand."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """Data, users, seeds and authors of texts behind a table or picture.

    users       ((data set, number of distinct users), ...), one entry a data set, whatever its directions
    digests     digests of the prepared data, one a split (`Split.digest`)
    seeds       the seeds that were run; () where nothing was trained
    annotators  who wrote the texts that were read; () where no text was read
    encoders    what turned texts into vectors

    What has an origin carries it as its attribute `origin`: a Corpus, a Dataset, a Grid, a paper's stage.
    """

    users: tuple[tuple[str, int], ...] = ()
    digests: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    annotators: tuple[str, ...] = ()
    encoders: tuple[str, ...] = ()

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the data sets."""
        return tuple(name for name, _ in self.users)

    @property
    def n_users(self) -> int:
        """Distinct users of all data sets together."""
        return sum(count for _, count in self.users)

    def __or__(self, other: "Origin") -> "Origin":
        """Both together; a data set that stands in both counts its users once."""
        users = dict(self.users)
        for name, count in other.users:
            users[name] = max(count, users.get(name, 0))
        return Origin(
            tuple(users.items()),
            _union(self.digests, other.digests),
            tuple(sorted({*self.seeds, *other.seeds})),
            _union(self.annotators, other.annotators),
            _union(self.encoders, other.encoders),
        )


def origin_of(sources: object) -> Origin:
    """The origin of one thing that has an `origin`, or of several of them together.

    Raises TypeError on anything else, a text for example: an origin cannot be typed.
    """
    if isinstance(sources, Origin):
        return sources
    if isinstance(getattr(sources, "origin", None), Origin):
        return sources.origin
    if isinstance(sources, Iterable) and not isinstance(sources, str | bytes | dict):
        total = Origin()
        for source in sources:
            total |= origin_of(source)
        return total
    raise TypeError(
        f"{type(sources).__name__} has no origin; give the corpus, data set, grid or stage that the numbers come from"
    )


def _union(one: tuple[str, ...], two: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *two)))
