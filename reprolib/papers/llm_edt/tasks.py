"""LLM-EDT: candidates in the other domain for a cluster of items; profiles by Summarize, Reform, Analyze."""

from pydantic import Field

from reprolib.llm.checks import empty, repeated, too_long, unknown
from reprolib.llm.embedded import Annotator, central, diverse, listed, words
from reprolib.llm.items import Item, numbered
from reprolib.llm.task import Given, Record, Task, block, form

CLUSTER_WORDS, DOMAIN_WORDS, PROFILE_WORDS = 50, 80, 100
MOST_TITLES = 15  # the latest of a cluster


class AnchorCluster(Given):
    """A cluster of one user's items in one domain, its anchor, and (optionally) items of the other domain."""

    source: str
    target: str
    anchor: Item
    cluster: tuple[Item, ...]
    n: int = Field(3, ge=1, le=20)
    catalogue: tuple[Item, ...] = ()


class Candidate(Record):
    """An item of the other domain that the same taste would choose; it need not exist."""

    title: str
    category: str = ""
    reason: str = ""


class CrossCandidates(Record):
    """Candidates for one anchor."""

    candidates: list[Candidate]


class Cluster(Given):
    """One cluster of a user's items in one domain, the latest last."""

    domain: str
    items: tuple[Item, ...] = Field(min_length=1)


class ClusterSummary(Record):
    """What one cluster says about the user."""

    summary: str


class DomainSummaries(Given):
    """The cluster summaries of one domain with the number of items behind each."""

    domain: str
    summaries: tuple[str, ...] = Field(min_length=1)
    sizes: tuple[int, ...]


class DomainPreference(Record):
    """The user's preference in one domain."""

    preference: str


class UserPreferences(Given):
    """Preferences per domain, and the share of the user's events in each domain (the domain ratio)."""

    preferences: dict[str, str] = Field(min_length=1)
    ratio: dict[str, float]


class Profile(Record):
    """The user's profile over both domains, balanced by the domain ratio."""

    profile: str


def _candidates_prompt(given: AnchorCluster) -> str:
    known = (
        block("catalogue", numbered((i.text(80) for i in given.catalogue), 140, 50), 8000) + "\n"
        if given.catalogue
        else ""
    )
    only = "Take them from the catalogue, with titles as written there. " if given.catalogue else ""
    example = {"candidates": [{"title": "...", "category": "...", "reason": "..."}]}
    return (
        f"A person chose the items below in the domain {given.source}; one of them is the anchor. Name exactly "
        f"{given.n} "
        f"items of the domain {given.target} that the taste behind the anchor would choose, with a category and a "
        f"short "
        f"reason. {only}\n\n{block('anchor', given.anchor.text(200), 400)}\n"
        f"{block('cluster', numbered((i.text(80) for i in given.cluster[-MOST_TITLES:]), 140), 3000)}\n{known}\n"
        f"{form(CrossCandidates, example)}"
    )


def _check_candidates(given: AnchorCluster, output: CrossCandidates) -> list[str]:
    titles = [c.title for c in output.candidates]
    problems = [] if len(titles) == given.n else [f"{len(titles)} candidates instead of {given.n}"]
    problems += repeated("title", titles) + [p for t in titles for p in empty("a title", t)]
    if given.catalogue:
        problems += unknown("title", titles, (i.title for i in given.catalogue))
    return problems


def _candidates_rule(given: AnchorCluster, tools: Annotator) -> CrossCandidates:
    """Nearest neighbours of the anchor and its cluster in the catalogue, unlike each other."""
    catalogue = list({i.title: i for i in given.catalogue}.values())
    if len(catalogue) < given.n:
        raise ValueError(
            f"llm_edt/candidates: the embedded annotator invents no titles; give a catalogue of at least "
            f"{given.n} items of {given.target} (there are {len(catalogue)})"
        )
    near = tools.similarity(
        [i.text(200) for i in catalogue],
        [given.anchor.text(200), *(i.text(200) for i in given.cluster)],
    )
    relevance = 0.7 * near[:, 0] + 0.3 * near.mean(1)
    taken = diverse(tools.embed(i.text(200) for i in catalogue), relevance, given.n, 0.2)
    return CrossCandidates(
        candidates=[
            Candidate(
                title=catalogue[i].title,
                category=listed(catalogue[i].categories[-1:]),
                reason=f"Nearest in content to {given.anchor.title} ({near[i, 0]:.2f}).",
            )
            for i in taken
        ]
    )


def _summarize_prompt(given: Cluster) -> str:
    return (
        f"These items of the domain {given.domain} were chosen by one person. Say in at most {CLUSTER_WORDS} words "
        f"what "
        "interest they have in common.\n\n"
        f"{block('items', numbered((i.text(120) for i in given.items[-MOST_TITLES:]), 200), 4000)}\n\n"
        f"{form(ClusterSummary, {'summary': '...'})}"
    )


def _summarize_rule(given: Cluster, tools: Annotator) -> ClusterSummary:
    """The categories that return, and the most central items."""
    items = given.items[-MOST_TITLES:]
    order = central(tools.embed(i.text(200) for i in items))
    counts: dict[str, int] = {}
    for category in (c for i in items for c in i.categories[:4]):
        counts[category] = counts.get(category, 0) + 1
    top = sorted(counts, key=lambda c: (-counts[c], c))[:3]
    about = f" in {listed(top)}" if top else ""
    typical = listed(words(items[i].title, 8) for i in order[:3])
    return ClusterSummary(
        summary=words(
            f"{given.domain}: an interest{about}, typically {typical}.", CLUSTER_WORDS - 1
        )
    )


def _reform_prompt(given: DomainSummaries) -> str:
    told = numbered(
        (f"({n} items) {s}" for s, n in zip(given.summaries, given.sizes, strict=False)), 500
    )
    return (
        f"Each line says one interest of the same person in the domain {given.domain}, with the number of items "
        f"behind it. "
        f"Write them anew as one preference of at most {DOMAIN_WORDS} words: the larger interests first, nothing "
        f"twice, "
        f"accidental ones left "
        f"out.\n\n{block('interests', told, 6000)}\n\n{form(DomainPreference, {'preference': '...'})}"
    )


def _reform_rule(given: DomainSummaries, tools: Annotator) -> DomainPreference:
    """Summaries by size, those that repeat a larger one left out."""
    order = sorted(range(len(given.summaries)), key=lambda i: -given.sizes[i])
    near = tools.similarity(given.summaries, given.summaries)
    kept: list[int] = []
    for i in order:
        if all(near[i, j] < 0.9 for j in kept):
            kept.append(i)
    each = max(8, (DOMAIN_WORDS - 8) // max(len(kept[:4]), 1))
    told = " ".join(
        words(given.summaries[i].removeprefix(f"{given.domain}: "), each).rstrip(".") + "."
        for i in kept[:4]
    )
    return DomainPreference(preference=words(f"In {given.domain}: {told}", DOMAIN_WORDS - 1))


def _analyze_prompt(given: UserPreferences) -> str:
    told = "\n".join(
        f"{d} ({given.ratio.get(d, 0):.0%} of the events): {p}"
        for d, p in given.preferences.items()
    )
    return (
        "One person's preferences in several domains, with the share of events in each. Write one profile of at most "
        f"{PROFILE_WORDS} words: what holds in all domains first, then what is special to each. A domain with few "
        f"events "
        f"must keep its own sentence.\n\n{block('preferences', told, 6000)}\n\n{form(Profile, {'profile': '...'})}"
    )


def _analyze_rule(given: UserPreferences, tools: Annotator) -> Profile:
    """Each domain's preference, with room that follows the ratio but never less than a quarter of an equal share."""
    domains = sorted(given.preferences, key=lambda d: (-given.ratio.get(d, 0.0), d))
    floor = 0.25 / len(domains)
    share = {d: max(given.ratio.get(d, 0.0), floor) for d in domains}
    room = {d: max(6, int((PROFILE_WORDS - 10) * share[d] / sum(share.values()))) for d in domains}
    told = [words(given.preferences[d], room[d]) for d in domains]
    return Profile(profile=words(" ".join(told), PROFILE_WORDS - 1))


def _bounded(name: str, most: int):
    def check(given, output) -> list[str]:
        text = getattr(output, name)
        return empty(name, text) + too_long(name, text, most)

    return check


TASKS = (
    Task(
        name="llm_edt/candidates",
        version=1,
        about="items of the other domain for an anchor",
        input=AnchorCluster,
        output=CrossCandidates,
        prompt=_candidates_prompt,
        check=_check_candidates,
        rule=_candidates_rule,
        reads=lambda g: [i.text(200) for i in (g.anchor, *g.cluster, *g.catalogue)],
    ),
    Task(
        name="llm_edt/summarize",
        version=1,
        about="the interest behind a cluster of items",
        input=Cluster,
        output=ClusterSummary,
        prompt=_summarize_prompt,
        check=_bounded("summary", CLUSTER_WORDS),
        rule=_summarize_rule,
        reads=lambda g: [i.text(200) for i in g.items[-MOST_TITLES:]],
        max_tokens=150,
    ),
    Task(
        name="llm_edt/reform",
        version=1,
        about="a user's preference in one domain",
        input=DomainSummaries,
        output=DomainPreference,
        prompt=_reform_prompt,
        check=_bounded("preference", DOMAIN_WORDS),
        rule=_reform_rule,
        reads=lambda g: list(g.summaries),
        max_tokens=200,
    ),
    Task(
        name="llm_edt/analyze",
        version=1,
        about="a user's profile over all domains",
        input=UserPreferences,
        output=Profile,
        prompt=_analyze_prompt,
        check=_bounded("profile", PROFILE_WORDS),
        rule=_analyze_rule,
        reads=lambda g: [],
        max_tokens=250,
    ),
)
