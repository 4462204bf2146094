"""Users, items and sequences as numbers. Formulae and symbols: docs/miniature-world.md. No text is made here."""

from dataclasses import dataclass

import numpy as np

from reprolib.data.world.domains import (
    FACETS,
    SESSIONS,
    TRAITS,
    Domain,
    Size,
    segment,
    stream,
    window,
)

ARCHETYPES = 10  # five and their opposites, so that the mean persona is neutral
DRIFT, INTENT, INERTIA = (
    0.8,
    1.2,
    0.7,
)  # λ, η, ψ: slow change, weight and persistence of the intent of a session
TASTE, FACET, STICKY, NEXT = 1.4, 0.8, 1.2, 3.5  # α, γ, μ, ν: weights in the utility of an item
PRIVATE = 0.25  # noise around the mixture of archetypes
ZIPF, QUALITY = 0.8, 0.6
DAY = 86_400
CUTS = (
    0.08,
    0.13,
    0.22,
    0.42,
)  # shares of at most 1, 2, 3, 4 stars: the J shape of product ratings


@dataclass(frozen=True)
class People:
    """A community: persona (U, T), states (U, K, T) and session starts (U, K) as shares of the era."""

    persona: np.ndarray
    states: np.ndarray
    starts: np.ndarray


@dataclass(frozen=True)
class Items:
    """Items of a domain: traits (I, T) and which are salient; all else (I,).

    A line is a short run of items that belong together (a series, a product line); `place` is the position in it,
    `successor` the next item of the line or -1.
    """

    traits: np.ndarray
    salient: np.ndarray
    facet: np.ndarray
    creator: np.ndarray
    line: np.ndarray
    place: np.ndarray
    successor: np.ndarray
    popularity: np.ndarray
    quality: np.ndarray


@dataclass(frozen=True)
class Events:
    """Events of a domain, ordered by user and time: equally long columns; `user` is the place in the community."""

    user: np.ndarray
    item: np.ndarray
    time: np.ndarray
    session: np.ndarray
    random: np.ndarray
    rating: np.ndarray
    state: np.ndarray  # (E, T) the state s of the user in that domain at that moment


def personas(n: int, seed: int, rng: np.random.Generator) -> np.ndarray:
    """Personas θ (n, T): sparse mixtures of the world's archetypes plus noise, unit variance per trait."""
    half = stream(seed, "archetypes").choice(
        [-1.0, 0.0, 1.0], (ARCHETYPES // 2, TRAITS), p=[0.35, 0.3, 0.35]
    )
    mixture = rng.dirichlet(np.full(ARCHETYPES, 0.15), n) @ np.concatenate([half, -half])
    theta = mixture + PRIVATE * rng.standard_normal((n, TRAITS))
    return theta / np.sqrt((theta**2).mean(0))


def states(n: int, seed: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Personas θ (n, T) and states s_k = θ + λ (k/(K-1) - 1/2) δ + η z_k, (n, K, T); z is AR(1) over sessions."""
    theta, delta = personas(n, seed, rng), personas(n, seed, rng)
    drift = delta[:, None] * (np.arange(SESSIONS) / (SESSIONS - 1) - 0.5)[:, None]
    z = personas(n * SESSIONS, seed, rng).reshape(n, SESSIONS, TRAITS)
    for k in range(1, SESSIONS):
        z[:, k] = INERTIA * z[:, k - 1] + np.sqrt(1 - INERTIA**2) * z[:, k]
    return theta, theta[:, None] + DRIFT * drift + INTENT * z


def make_people(domain: Domain, size: Size, seed: int) -> People:
    """What the domains of one community share: personas, states, and when the users are active.

    A community is a segment of its population and the beginning of the next one, each with draws of its own.
    """
    n, parts = segment(size), []
    for number in (domain.community, domain.community + 1):
        theta, s = states(n, seed, stream(seed, "people", domain.population, str(number)))
        rng = stream(seed, "sessions", domain.population, domain.era[0], str(number))
        first = rng.uniform(0.0, 0.5, (n, 1))
        starts = first + (0.98 - first) * np.sort(rng.uniform(0, 1, (n, SESSIONS)), axis=1)
        parts.append((theta, s, starts))
    return People(*(np.concatenate(column)[: size.users] for column in zip(*parts, strict=True)))


def domain_states(
    people: People, domain: str, seed: int, correlation: float
) -> tuple[np.ndarray, np.ndarray]:
    """Personas and states in one domain: √ρ shared + √(1-ρ) own. Two domains of a user correlate by ρ."""
    own = states(len(people.persona), seed, stream(seed, "own", domain))
    shared, alone = np.sqrt(correlation), np.sqrt(1 - correlation)
    return shared * people.persona + alone * own[0], (
        shared * people.states + alone * own[1]
    ).astype(np.float32)


def make_items(domain: str, n: int, seed: int) -> Items:
    """Items with two or three salient traits; facets, lines and creators are independent of the traits."""
    rng = stream(seed, "items", domain)
    salient = rng.random((n, TRAITS)).argsort(1) < rng.integers(2, 4, (n, 1))
    strength = rng.choice([-1.0, 1.0], (n, TRAITS)) * rng.uniform(0.7, 1.3, (n, TRAITS))
    traits = np.where(salient, strength, 0.15 * rng.standard_normal((n, TRAITS)))
    facet = np.sort(rng.choice(FACETS, n, p=rng.dirichlet(np.full(FACETS, 8.0))))
    new_facet = np.diff(facet, prepend=-1) != 0
    new_line = new_facet | (rng.random(n) < 0.45)
    line = np.cumsum(new_line) - 1
    creator = np.cumsum(new_facet | (new_line & (rng.random(n) < 0.5))) - 1
    place = np.arange(n) - np.flatnonzero(new_line)[line]
    successor = np.where(np.append(line[1:] == line[:-1], False), np.arange(n) + 1, -1)
    popularity = np.arange(1, n + 1.0) ** -ZIPF
    rng.shuffle(popularity)
    return Items(
        traits, salient, facet, creator, line, place, successor, popularity, rng.standard_normal(n)
    )


def activity(domain: Domain, size: Size, rng: np.random.Generator) -> np.ndarray:
    """Events per user of the community: log-normal, at least 5; 8 % are absent and 6 % have but 1 to 4 events."""
    n, mean = size.users, domain.events * size.activity
    count = np.maximum(5, np.exp(rng.normal(np.log(mean) - 0.1, 0.45, n))).astype(int)
    count = np.where(rng.random(n) < 0.06, rng.integers(1, 5, n), count)
    return np.where(rng.random(n) < 0.08, 0, np.minimum(count, 50 if size.items > 400 else 25))


def moments(count: np.ndarray, starts: np.ndarray, domain: Domain, rng: np.random.Generator):
    """Sessions and seconds (U, longest) of every event: sorted by time within a user, strictly increasing."""
    begin, end = window(domain)
    longest = count.max()
    session = np.where(
        np.arange(longest) < count[:, None],
        rng.integers(0, SESSIONS, (len(count), longest)),
        SESSIONS,
    )
    session.sort(axis=1)
    starts = np.append(starts, np.ones((len(starts), 1)), axis=1)
    length = np.append(
        np.minimum(np.diff(starts), 3 * DAY / (end - begin)), np.zeros((len(starts), 1)), axis=1
    )
    within = np.take_along_axis(length, session, 1) * rng.random(session.shape) * 0.98
    share = np.sort(np.take_along_axis(starts, session, 1) + within, axis=1)
    resolution = DAY if domain.source == "steam" else 1  # that format tells the day only
    tick = ((begin + share * 0.98 * (end - begin)) // resolution).astype(np.int64)
    step = np.arange(longest)
    tick = np.maximum.accumulate(tick - step, axis=1) + step
    return np.minimum(session, SESSIONS - 1), tick * resolution


def sequences(
    items: Items,
    state: np.ndarray,
    taste: np.ndarray,
    session: np.ndarray,
    count: np.ndarray,
    noise: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Chosen items (U, longest) and which were chosen at random; one softmax over unseen items per step.

    state (U, K, T), taste (U, F), session (U, longest), count (U,) descending.
    """
    n, facets = len(items.facet), np.eye(FACETS, dtype=np.float32)
    weights = np.concatenate([TASTE * items.traits.T, facets[:, items.facet]]).astype(
        np.float32
    )  # (T + F, I)
    follow = STICKY * (facets + 0.5 * facets[rng.permutation(FACETS)])
    fixed = np.log(items.popularity).astype(np.float32)
    chosen = np.zeros((len(count), count.max()), dtype=np.int64)
    random = rng.random(chosen.shape) < noise
    unseen = np.ones((len(count), n), dtype=np.float32)
    for step in range(count.max()):
        active = np.arange((count > step).sum())
        wish = taste[active]
        if step:
            last = chosen[active, step - 1]
            wish = wish + follow[items.facet[last]]
        utility = (
            np.hstack([state[active, session[active, step]], wish]).astype(np.float32) @ weights
            + fixed
        )
        if step:
            has = items.successor[last] >= 0
            utility[active[has], items.successor[last][has]] += NEXT
        utility[random[active, step]] = 0.0
        chance = np.cumsum(np.exp(utility) * unseen[active], axis=1, dtype=np.float64)
        at = rng.random(len(active)) * chance[:, -1]
        chosen[active, step] = np.minimum((chance <= at[:, None]).sum(1), n - 1)
        unseen[active, chosen[active, step]] = 0.0
    return chosen, random


def ratings(
    state: np.ndarray, item: np.ndarray, items: Items, rng: np.random.Generator
) -> np.ndarray:
    """Stars 1 to 5: rank of match + quality + noise, cut at the shares of a J-shaped distribution."""
    match = (state * items.traits[item]).sum(1)
    liking = (
        match / (match.std() + 1e-9)
        + QUALITY * items.quality[item]
        + 0.8 * rng.standard_normal(len(item))
    )
    share = liking.argsort(kind="stable").argsort(kind="stable") / len(item)
    return 1 + np.searchsorted(CUTS, share, side="right")


def make_events(
    name: str,
    domain: Domain,
    size: Size,
    people: People,
    items: Items,
    state: np.ndarray,
    seed: int,
    noise: float,
) -> Events:
    """All events of one domain."""
    rng = stream(seed, "events", name)
    count = activity(domain, size, rng)
    user = np.argsort(-count, kind="stable")[: (count > 0).sum()]
    count = count[user]
    session, time = moments(count, people.starts[user], domain, rng)
    taste = FACET * rng.standard_normal((len(user), FACETS)).astype(np.float32)
    chosen, random = sequences(items, state[user], taste, session, count, noise, rng)
    row, column = np.nonzero(np.arange(count.max()) < count[:, None])
    keep = np.lexsort((time[row, column], user[row]))
    row, column = row[keep], column[keep]
    moment = state[user[row], session[row, column]]
    item = chosen[row, column]
    return Events(
        user[row],
        item,
        time[row, column],
        session[row, column],
        random[row, column],
        ratings(moment, item, items, rng),
        moment,
    )
