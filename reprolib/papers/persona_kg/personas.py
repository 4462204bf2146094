"""Personas of users after each of their events: nothing a persona holds is later than, or is, what it helps predict.

A user's row of a meta-path mean is itself a mean over the user's items, so a persona after event t is a running mean
along the user's events: exact, and the same operation folds in a new user or a new event without retraining.
The graph that serves a user is built without any edge of that user (users are cut into FOLDS parts), so that neither
the label's edge nor an item-item edge of the user's own session is visible while training, nor later.
"""

import functools
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from reprolib.data.dataset import Dataset
from reprolib.data.origin import Origin
from reprolib.data.split import Split
from reprolib.papers.persona_kg.graph import KnowledgeGraph, build_graph
from reprolib.papers.persona_kg.hdgi import Learned, train_hdgi
from reprolib.papers.persona_kg.items import item_vectors
from reprolib.papers.persona_kg.paths import MERGED, PATHS, existing_paths, meta_paths

FOLDS = 4
SOURCES = ("none", "history", "hdgi", "dgi", "mean", "random", "shuffled", "oracle")


@dataclass
class FoldIn:
    """What turns a list of items into a persona: tables of items, multiplied with HDGI's weights beforehand.

    learned  the trained HDGI
    own      (n_items + 1, P, d_p): X W_m, the items' own part
    reached  (n_items + 1, P, d_p): the mean over each meta-path from the item on, times W_m
    exists   (n_items + 1, P): from which items the path reaches a user
    """

    learned: Learned
    own: Tensor
    reached: Tensor
    exists: Tensor

    def personas(self, items: Tensor, start: Tensor) -> Tensor:
        """(E, d_p): the persona after each of E events that stand user by user.

        items (E,) codes; start (E,) place of the user's first event
        """
        count = torch.arange(len(items)) - start + 1
        views = []
        for path in range(self.own.shape[1]):
            own = running_sum(self.own[items, path], start) / count[:, None]
            paths = running_sum(self.exists[items, path, None], start)
            reached = running_sum(self.reached[items, path] * self.exists[items, path, None], start)
            mean = (own + reached / paths.clamp(min=1)) / (1 + (paths > 0))
            views.append(self.learned.model.activate(mean.float(), path))
        return self.learned.model.combine(views, self.learned.betas).detach()

    def persona(self, items: list[int]) -> Tensor:
        """(d_p,): the persona of a new user who met these items; of nobody known: the empty list is an error."""
        if not items:
            raise ValueError(
                "a user without events has no persona; recommend by popularity instead"
            )
        codes = torch.tensor(items)
        has_path = self.exists[codes][:, :, None]  # (n, P, 1)
        own = self.own[codes].mean(0)
        paths = has_path.sum(0)
        reached = (self.reached[codes] * has_path).sum(0) / paths.clamp(min=1)
        means = ((own + reached) / (1 + (paths > 0))).float()  # (P, d_p)
        model = self.learned.model
        views = [model.activate(mean[None], path) for path, mean in enumerate(means)]
        return model.combine(views, self.learned.betas)[0].detach()


def running_sum(values: Tensor, start: Tensor) -> Tensor:
    """(E, d): sums of values (E, d) from each event's user's first event, at `start` (E,), up to it."""
    total = values.double().cumsum(0)
    before = torch.cat([torch.zeros(1, values.shape[1], dtype=torch.double), total])
    return total - before[start]


@dataclass
class Personas:
    """Personas of one data set by one method.

    after    (target events, d_p) float32: row e is the user's persona after event e; None for source "none"
    learned  the trained HDGI of "hdgi", "dgi" and "shuffled", else None
    x        (n_items + 1, d₀) item vectors that started the graph
    paths    names of the meta-paths that exist;  graph: the graph of "hdgi", "dgi", "mean" and "shuffled"
    origin   of a table that shows them
    report   how it was trained, for the run's record
    """

    after: Tensor | None
    learned: Learned | None = None
    x: Tensor | None = None
    paths: tuple[str, ...] = ()
    graph: KnowledgeGraph | None = None
    origin: Origin = field(default_factory=Origin)
    report: dict = field(default_factory=dict)


@dataclass(frozen=True)
class PersonaOptions:
    """How personas are made.

    source    of SOURCES; "shuffled" gives every user the last training persona of another
    paths     names of meta-paths joined by "+"; "dgi" merges them into one graph
    start     of the items' vectors in the graph: "text" or "random"
    rewired   deal the graph's edges anew, degrees kept
    dim       d_p
    semantic, epochs, patience, lr  of HDGI
    """

    source: str = "hdgi"
    paths: str = "+".join(PATHS)
    start: str = "text"
    rewired: bool = False
    dim: int = 64
    semantic: int = 8
    epochs: int = 1000
    patience: int = 50
    lr: float = 1e-3
    annotator: str = "embedded"
    encoder: str = "minilm"

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ValueError(f"persona {self.source!r} is unknown; use one of {', '.join(SOURCES)}")
        if self.start not in ("text", "random"):
            raise ValueError(f"start {self.start!r} is unknown; use text or random")


@functools.lru_cache(maxsize=8)
def personas_of(dataset: Dataset, options: PersonaOptions, seed: int) -> Personas:
    """Personas of a data set, kept for the models that follow on it.

    seed  of HDGI's weights and corruption, of random vectors and of the shuffling
    """
    split = dataset.split
    if options.source == "none":
        return Personas(None)
    if options.source == "random":
        rng = torch.Generator().manual_seed(seed)
        vectors = torch.randn(split.n_users, options.dim, generator=rng)
        return Personas(vectors[event_users(split)])
    if options.source == "oracle":
        from reprolib.papers.persona_kg.oracle import true_personas

        return Personas(standardised(true_personas(dataset)[event_users(split)], split))
    x = start_vectors(dataset, options, seed)
    if options.source == "history":
        means = running_sum(x[split.item], event_starts(split)) / event_counts(split)[:, None]
        return Personas(standardised(means.float(), split), x=x)
    return _from_graph(dataset, options, seed, x)


def start_vectors(dataset: Dataset, options: PersonaOptions, seed: int) -> Tensor:
    """(n_items + 1, d₀) vectors of the items in the graph: text, or random ones of the same width; row 0 is zero."""
    x = item_vectors(dataset, options.annotator, options.encoder, options.dim)
    if options.start == "random":
        x = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
        x[0] = 0
    return x


def _from_graph(dataset: Dataset, options: PersonaOptions, seed: int, x: Tensor) -> Personas:
    """Personas by HDGI, DGI or mean pooling."""
    split = dataset.split
    graph = build_graph(dataset)
    if options.rewired:
        graph = graph.rewired(seed)
    names = (MERGED,) if options.source == "dgi" else tuple(options.paths.split("+"))
    learned = learn(graph, x, names, options, seed)
    report = {"hdgi_epochs": len(learned.losses), "hdgi_ended": learned.ended}
    if options.source == "mean":
        learned = unlearned(learned, x.shape[1])
        report = {}
    after = fold_in_all(split, graph, learned, x)
    if options.source == "shuffled":
        after = _of_another(after, split, seed)
    paths = tuple(learned.model.names)
    made_of = Origin((), (), (seed,), (options.annotator,), (options.encoder,))
    origin = dataset.origin | made_of
    return Personas(standardised(after, split), learned, x, paths, graph, origin, report)


def learn(
    graph: KnowledgeGraph, x: Tensor, names: tuple[str, ...], options: PersonaOptions, seed: int
) -> Learned:
    """HDGI trained on the users of the whole graph; x (n_items + 1, d₀)."""
    factors = {path.name: path.factors(graph.user_item) for path in meta_paths(graph, names)}
    return train_hdgi(
        torch.from_numpy(user_vectors(graph, x)),
        factors,
        dim=options.dim,
        semantic=options.semantic,
        epochs=1 if options.source == "mean" else options.epochs,
        patience=options.patience,
        lr=options.lr,
        seed=seed,
    )


def user_vectors(graph: KnowledgeGraph, x: Tensor) -> np.ndarray:
    """(n_users, d₀): mean of the vectors of a user's training items; zeros for a user without any."""
    from reprolib.graph import by_row

    return np.asarray(by_row(graph.user_item) @ x.numpy(), np.float32)


def unlearned(learned: Learned, width: int) -> Learned:
    """The same paths without learning: identity weights and equal attention, which is mean pooling."""
    from reprolib.papers.persona_kg.hdgi import HDGI

    model = HDGI(learned.model.names, width=width, dim=width).eval()
    with torch.no_grad():
        for weight, slope in zip(model.weight, model.slope, strict=True):
            weight.copy_(torch.eye(width))
            slope.fill_(1.0)
    share = 1 / len(model.names)
    return Learned(model, torch.full((len(model.names),), share), torch.empty(0))


def fold_in(graph: KnowledgeGraph, learned: Learned, x: Tensor) -> FoldIn:
    """The tables of one graph; a path of the model that this graph lacks is left out of every persona."""
    users = user_vectors(graph, x)
    found = {path.name: path for path in existing_paths(graph, tuple(learned.model.names))}
    own, reached, exists = [], [], []
    with torch.no_grad():
        for name, weight in zip(learned.model.names, learned.model.weight, strict=True):
            own.append(x @ weight)
            if name in found:
                reached.append(torch.from_numpy(found[name].from_items(users)) @ weight)
                exists.append(torch.from_numpy(found[name].exists).double())
            else:
                reached.append(torch.zeros(len(x), weight.shape[1]))
                exists.append(torch.zeros(len(x), dtype=torch.double))
    return FoldIn(learned, torch.stack(own, 1), torch.stack(reached, 1), torch.stack(exists, 1))


def fold_in_all(split: Split, graph: KnowledgeGraph, learned: Learned, x: Tensor) -> Tensor:
    """(target events, d_p): every event's persona, each user's from a graph without that user's edges.

    Users without training events (hidden ones) have no edge anywhere and take the whole graph.
    """
    users = event_users(split).numpy()
    fold = np.arange(split.n_users) % FOLDS
    fold[np.diff(graph.user_item.indptr) == 0] = FOLDS
    after = torch.empty(len(users), learned.model.weight[0].shape[1])
    for number in np.unique(fold):
        own_users = np.flatnonzero(fold == number)
        rest = graph if number == FOLDS else graph.without_users(own_users)
        events = np.flatnonzero(fold[users] == number)
        starts = np.searchsorted(events, event_starts(split).numpy()[events])
        tables = fold_in(rest, learned, x)
        chosen = tables.personas(torch.from_numpy(split.item[events]), torch.from_numpy(starts))
        after[torch.from_numpy(events)] = chosen
    return after


def event_users(split: Split) -> Tensor:
    """(target events,) user codes."""
    return torch.from_numpy(np.repeat(np.arange(split.n_users), np.diff(split.ptr)))


def event_starts(split: Split) -> Tensor:
    """(target events,) place of the first event of each event's user."""
    return torch.from_numpy(split.ptr[:-1])[event_users(split)]


def event_counts(split: Split) -> Tensor:
    """(target events,) events of the user up to and with each event."""
    return torch.arange(len(split.item)) - event_starts(split) + 1


def standardised(after: Tensor, split: Split) -> Tensor:
    """Columns with mean 0 and deviation 1 over training events, so that every source enters on one scale."""
    end = torch.from_numpy(split.train_end)[event_users(split)]
    training = after[torch.arange(len(after)) < end]
    return (after - training.mean(0)) / training.std(0).clamp(min=1e-6)


def not_updated(after: Tensor, split: Split) -> Tensor:
    """(target events, d_p): from validation on, the persona as it was after the user's last training event."""
    last = np.maximum(split.train_end - 1, split.ptr[:-1])
    last = torch.from_numpy(last)[event_users(split)]
    return after[torch.minimum(torch.arange(len(after)), last)]


def _of_another(after: Tensor, split: Split, seed: int) -> Tensor:
    """Every user's events get the last training persona of another user, drawn once."""
    last = np.maximum(split.train_end - 1, split.ptr[:-1])
    other = np.random.default_rng(seed).permutation(split.n_users)
    return after[torch.from_numpy(last[other])][event_users(split)]
