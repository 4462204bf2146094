"""What can be learned from the miniature world, and what its knobs take away. Small linear probes only."""

import numpy as np
import polars as pl
import pytest

from reprolib.data.world import DOMAINS, generate, make_world, read_truth, read_world

PAIR = ("food", "kitchen")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """Worlds by knob, of some domains only (test_world.py shows that a domain does not depend on the others)."""
    root = tmp_path_factory.mktemp("signal")
    knobs = {
        "full": {},
        "apart": {"correlation": 0.0},
        "mute": {"text": 0.0},
        "chaos": {"noise": 1.0},
    }
    with pytest.MonkeyPatch.context() as patch:
        some = ("food", "kitchen", "books", "movies", "games", "restaurants")
        patch.setattr(generate, "DOMAINS", {name: DOMAINS[name] for name in some})
        return {name: make_world(root / name, "smoke", **values) for name, values in knobs.items()}


def trait_names(folder):
    return read_truth(folder, "traits")["trait"].to_list()


def events_with_traits(folder, domain):
    items = read_truth(folder, "items").filter(pl.col("domain") == domain)
    events = read_truth(folder, "reviews").filter(pl.col("domain") == domain)
    return events.join(items.select("item", *trait_names(folder)), on="item", maintain_order="left")


def agreement(left, right):
    """Mean over traits of the correlation between two (n, T) matrices, and 200 values of it under shuffled rows."""

    def value(a, b):
        a, b = (x - x.mean(0) for x in (a, b))
        return float(((a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0))).mean())

    rng = np.random.default_rng(0)
    return value(left, right), [value(left, right[rng.permutation(len(right))]) for _ in range(200)]


def source_and_target(folder):
    """Per overlapping user: mean traits of the items in the source, and of those in the target."""
    means = [
        events_with_traits(folder, d).group_by("user").agg(pl.col(trait_names(folder)).mean())
        for d in PAIR
    ]
    both = means[0].join(means[1], on="user", suffix="_target").sort("user")
    names = trait_names(folder)
    return both.select(names).to_numpy(), both.select(f"{n}_target" for n in names).to_numpy()


def test_source_behaviour_tells_target_behaviour_where_the_persona_is_shared(worlds):
    found, _ = agreement(*source_and_target(worlds["full"]))
    assert found > 0.25


def test_source_behaviour_tells_nothing_where_personas_are_drawn_apart(worlds):
    found, shuffled = agreement(*source_and_target(worlds["apart"]))
    assert np.quantile(shuffled, 0.005) < found < np.quantile(shuffled, 0.995)


@pytest.mark.parametrize(("name", "shared"), [("full", True), ("apart", False)])
def test_the_intent_of_a_session_reaches_both_domains_only_if_shared(worlds, name, shared):
    names = trait_names(worlds[name])
    sessions = []
    for domain in PAIR:
        events = events_with_traits(worlds[name], domain)
        centred = events.with_columns(pl.col(n) - pl.col(n).mean().over("user") for n in names)
        sessions.append(centred.group_by("user", "session").agg(pl.col(names).mean()))
    both = (
        sessions[0]
        .join(sessions[1], on=["user", "session"], suffix="_target")
        .sort("user", "session")
    )
    found, shuffled = agreement(
        both.select(names).to_numpy(), both.select(f"{n}_target" for n in names).to_numpy()
    )
    assert (found > max(shuffled)) == shared


def test_true_personas_correlate_by_the_knob(worlds):
    for name, expected in (("full", 0.8), ("apart", 0.0)):
        table = read_truth(worlds[name], "users")
        parts = [table.filter(pl.col("domain") == d).drop("domain") for d in PAIR]
        both = parts[0].join(parts[1], on="user", suffix="_target")
        names = trait_names(worlds[name])
        found, _ = agreement(
            both.select(names).to_numpy(), both.select(f"{n}_target" for n in names).to_numpy()
        )
        assert found == pytest.approx(expected, abs=0.06)


def documents(folder, domain):
    items = read_world(folder, [domain]).items.with_columns(pl.col("item").cast(pl.String))
    items = items.join(
        read_truth(folder, "items").filter(pl.col("domain") == domain),
        on="item",
        maintain_order="left",
    )
    words = pl.concat_str(
        "title",
        "creator",
        pl.col("description").fill_null(""),
        pl.col("categories").list.join(" "),
        separator=" ",
    )
    return items.select(words).to_series().to_list(), items.select(trait_names(folder)).to_numpy()


@pytest.mark.parametrize(
    "domains", [("food", "kitchen"), ("books", "movies"), ("games", "restaurants")], ids="-".join
)
def test_text_tells_the_traits_of_another_domains_items_and_tells_nothing_when_mute(
    worlds, domains
):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge

    for name in ("full", "mute"):
        (learn, known), (test, wanted) = (documents(worlds[name], domain) for domain in domains)
        vectorizer = TfidfVectorizer(sublinear_tf=True)
        probe = Ridge(alpha=1.0).fit(vectorizer.fit_transform(learn), known)
        found, shuffled = agreement(probe.predict(vectorizer.transform(test)), wanted)
        if name == "mute":
            assert np.quantile(shuffled, 0.005) < found < np.quantile(shuffled, 0.995)
        else:  # games and restaurants have labels, no sentences: more than chance is all they promise
            assert found > (max(shuffled) if domains[0] == "games" else 0.4)


def test_reviews_express_the_writers_motive_as_often_as_the_text_knob_says(worlds):
    for name, text in (("full", 0.8), ("mute", 0.0)):
        reviews = read_truth(worlds[name], "reviews")
        told = (reviews["motive"] == reviews["expressed"]).mean()
        assert told == pytest.approx(
            text + (1 - text) / 16, abs=0.01
        )  # a random pole is the true one in 1 of 16


def test_a_review_says_what_the_truth_table_says_it_expresses(worlds):
    from reprolib.data.world.vocabulary import poles

    wants = {pole.name: pole.wants for pole in poles()}
    read = read_world(worlds["full"], ["kitchen"]).interactions.with_columns(
        pl.col("user", "item").cast(pl.String)
    )
    both = read.join(read_truth(worlds["full"], "reviews"), on=["user", "item", "timestamp"]).head(
        300
    )
    assert both.height == 300
    for review, pole in both.select("review", "expressed").iter_rows():
        assert any(f"I {want}" in review for want in wants[pole])


def test_the_text_knob_leaves_the_events_as_they_are(worlds):
    columns = ["domain", "user", "item", "timestamp", "rating", "motive"]
    full, mute = (read_truth(worlds[name], "reviews").select(columns) for name in ("full", "mute"))
    assert full.equals(mute)


def test_the_correlation_knob_leaves_users_numbers_and_times_as_they_are(worlds):
    columns = ["domain", "user", "timestamp", "session"]
    full, apart = (
        read_truth(worlds[name], "reviews").select(columns) for name in ("full", "apart")
    )
    assert full.equals(apart)


def test_choices_follow_the_persona_unless_all_is_noise(worlds):
    for name, follows in (("full", True), ("chaos", False)):
        names = trait_names(worlds[name])
        events = events_with_traits(worlds[name], "kitchen")
        intents = read_truth(worlds[name], "intents").filter(pl.col("domain") == "kitchen")
        both = events.join(intents, on=["user", "session"], suffix="_state", maintain_order="left")
        found, shuffled = agreement(
            both.select(names).to_numpy(), both.select(f"{n}_state" for n in names).to_numpy()
        )
        assert (found > max(shuffled)) == follows


def test_neighbouring_events_continue_a_line_and_distant_ones_do_not(worlds):
    truth = read_truth(worlds["full"], "items").select("item", "creator")
    events = read_truth(worlds["full"], "reviews").filter(pl.col("domain") == "kitchen")
    creators = events.join(truth, on="item", maintain_order="left")
    near, far = (
        creators.select(
            (pl.col("creator") == pl.col("creator").shift(k).over("user")).mean()
        ).item()
        for k in (1, 4)
    )
    assert near > 2 * far


def test_co_occurring_items_tell_the_held_out_item_better_than_popularity(tmp_path, monkeypatch):
    """Hits among the best ten: cosine of co-occurrence with the history, popularity, chance; `smoke` is too small."""
    monkeypatch.setattr(
        generate, "DOMAINS", {name: DOMAINS[name] for name in ("kitchen", "books", "movies")}
    )
    events = read_truth(make_world(tmp_path / "world", "small"), "reviews").filter(
        pl.col("domain") == "kitchen"
    )
    number = {item: k for k, item in enumerate(events["item"].unique().sort())}
    sequences = [
        [number[i] for i in s]
        for s in events.group_by("user", maintain_order=True).agg("item")["item"]
    ]
    seen = np.zeros((len(sequences), len(number)))
    for row, s in zip(seen, sequences, strict=True):
        row[s[:-1]] = 1
    popular, together = seen.sum(0), seen.T @ seen
    np.fill_diagonal(together, 0)
    cosine = together / np.sqrt(np.outer(popular + 1, popular + 1))
    wanted = np.array([s[-1] for s in sequences])

    def hits(scores):
        return (np.argsort(-(scores - 1e9 * seen))[:, :10] == wanted[:, None]).sum()

    by_history, by_popularity = hits(seen @ cosine), hits(np.tile(popular, (len(seen), 1)))
    chance = 10 * len(seen) / len(number)
    assert by_history > 1.2 * by_popularity
    assert by_popularity > 1.5 * chance


def test_knowledge_graph_subjects_tell_true_traits_even_when_texts_are_mute(worlds):
    from reprolib.data.world.vocabulary import poles

    meaning = {
        f"Category:Works_about_{about.replace(' ', '_')}": k
        for k, p in enumerate(poles())
        for about in p.about
    }
    facts = read_world(worlds["mute"], ["books"]).facts.filter(pl.col("relation") == "subject")
    facts = facts.filter(pl.col("object").is_in(list(meaning)))
    traits = read_truth(worlds["mute"], "items")
    both = facts.join(traits, left_on="subject", right_on="item")
    values = both.select(trait_names(worlds["mute"])).to_numpy()
    pole = np.array([meaning[o] for o in both["object"]])
    right = (values[np.arange(len(pole)), pole // 2] > 0) == (pole % 2 == 1)
    assert right.mean() > 0.85
