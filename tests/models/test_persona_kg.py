"""Persona-KG: the graph, HDGI, personas that never see their label, the session model, the rerank."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import torch
import torch.nn.functional as F
from scipy import sparse
from toy import corpus

from reprolib.data.corpus import FACTS, ITEMS, DataError, conform
from reprolib.data.dataset import Dataset
from reprolib.data.origin import Origin
from reprolib.data.split import leave_one_out
from reprolib.evaluate.summary import summarise
from reprolib.graph import by_row
from reprolib.papers.persona_kg import graph as kg
from reprolib.papers.persona_kg import personas as pk
from reprolib.papers.persona_kg.events import EventPlaces
from reprolib.papers.persona_kg.hdgi import HDGI, PathMean, train_hdgi
from reprolib.papers.persona_kg.items import reduced
from reprolib.papers.persona_kg.model import PersonaSession
from reprolib.papers.persona_kg.paths import meta_paths
from reprolib.runs.systems import build_model, train
from reprolib.training.batches import Batches
from reprolib.training.full_softmax import full_softmax_loss
from reprolib.training.ranks import rank_fitted

SMALL = {"dim": 16, "length": 8, "persona_dim": 8, "graph_epochs": 30, "graph_lr": 0.01}


@pytest.fixture(autouse=True)
def one_thread():
    """Models this small are slower on two threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def toy_texts(monkeypatch):
    """Item vectors without an encoder: the item's group, and a little noise that depends on the item alone."""

    def vectors(dataset, annotator, encoder, dim):
        rng = np.random.default_rng(0)
        noise = rng.normal(size=(1000, 8))
        rows = [np.zeros(8)]
        for name in dataset.split.items:
            number = int(name[1:])
            rows.append(np.eye(8)[number % 4] + 0.1 * noise[number])
        return torch.tensor(np.array(rows), dtype=torch.float32)

    monkeypatch.setattr("reprolib.papers.persona_kg.personas.item_vectors", vectors)
    monkeypatch.setattr("reprolib.papers.persona_kg.systems.item_vectors", vectors)


def fans(n_users=160, n_items=80, length=9, seed=0):
    """A user likes one of four groups of items, and sees them in random order; facts and categories name the group."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        own = 4 * rng.permutation(n_items // 4)[:length] + user % 4
        rows += [(f"u{user}", f"i{item}", "books", 10 * step) for step, item in enumerate(own)]
    made = corpus(rows, name="fans")
    names = [f"i{item}" for item in range(n_items)]
    items = pl.DataFrame(
        {
            "item": names,
            "domain": ["books"] * n_items,
            "title": names,
            "categories": [[f"shelf {i % 8}"] for i in range(n_items)],
        }
    )
    facts = pl.DataFrame(
        {
            "subject": names,
            "relation": ["genre"] * n_items,
            "object": [f"G{i % 4}" for i in range(n_items)],
        }
    )
    return dataclasses.replace(made, items=conform(items, ITEMS), facts=conform(facts, FACTS))


@pytest.fixture
def dataset():
    made = fans()
    return Dataset(leave_one_out(made, "books"), made)


def graph_of(user_item, item_feature=None, item_entity=None):
    """A graph of given edges: lists of (left, right) pairs; two users' and items' numbers as they come."""
    users = 1 + max(u for u, _ in user_item)
    items = 1 + max(i for _, i in user_item + (item_feature or []))

    def matrix(pairs, rows):
        width = 1 + max((b for _, b in pairs), default=-1)
        full = np.zeros((rows, max(width, 0)), np.float32)
        for a, b in pairs:
            full[a, b] = 1
        return sparse.csr_matrix(full)

    left = np.zeros((users, items), np.float32)
    for u, i in user_item:
        left[u, i] = 1
    left = sparse.csr_matrix(left)
    features = matrix(item_feature or [], items)
    entities = matrix(item_entity or [], items)
    return kg.KnowledgeGraph(left, kg.co_occurrence(left), features, entities, [], [], {}, Origin())


# --- the graph ---


def test_no_held_out_event_is_an_edge(dataset):
    split = dataset.split
    graph = kg.build_graph(dataset)
    held_out = len(split.held_out("valid")[0]) + len(split.held_out("test")[0])
    assert kg.check_no_held_out_edge(graph, split) == held_out
    users, places = split.held_out("test")
    leaking = graph.user_item.tolil()
    leaking[users[0], split.item[places[0]]] = 1
    with pytest.raises(ValueError, match="holds the test event of user"):
        kg.check_no_held_out_edge(dataclasses.replace(graph, user_item=leaking.tocsr()), split)


def test_a_feature_of_one_item_and_one_of_most_items_are_dropped():
    import pandas as pd

    pairs = [(i, "everywhere") for i in range(1, 9)] + [(1, "alone"), (2, "shared"), (3, "shared")]
    matrix, names, dropped = kg._relation(pd.DataFrame(pairs, columns=["item", "name"]), 10)
    assert names == ["shared"]
    assert dropped == (1, 1)
    assert matrix.toarray().sum() == 2


def test_a_graph_without_a_relation_lacks_its_meta_path_and_trains(dataset):
    bare = Dataset(dataset.split, dataclasses.replace(dataset.corpus, facts=None))
    graph = kg.build_graph(bare)
    assert [path.name for path in meta_paths(graph)] == ["UIU", "UIIU", "UIFIU"]
    fitted = train("Persona-KG", bare, 0, False, **SMALL, epochs=1)
    assert torch.isfinite(fitted.vectors("test")[0]).all()


def test_rewiring_keeps_every_degree_up_to_collisions(dataset):
    graph = kg.build_graph(dataset)
    other = graph.rewired(0)
    assert (graph.item_entity != other.item_entity).nnz > 0
    for name in ("user_item", "item_entity", "item_feature"):
        one, two = getattr(graph, name), getattr(other, name)
        assert (two.sum(0) <= one.sum(0)).all()
        assert two.nnz > 0.4 * one.nnz


def test_a_user_is_taken_out_with_the_item_edges_of_the_users_session():
    graph = graph_of([(0, 1), (0, 2), (1, 3)])
    assert graph.item_item[1, 2] == 1
    rest = graph.without_users(np.array([0]))
    assert rest.user_item.nnz == 1
    assert rest.item_item.nnz == 0


# --- meta-paths by hand ---


def test_a_meta_path_is_the_mean_over_its_instances():
    """u0: i1, i2; u1: i2; u2: i3. Items 1 and 3 share an entity. x of the users: 1, 2, 4."""
    graph = graph_of([(0, 1), (0, 2), (1, 2), (2, 3)], item_entity=[(1, 0), (3, 0), (2, 1)])
    x = np.array([[1.0], [2.0], [4.0]], np.float32)
    paths = {path.name: path for path in meta_paths(graph, ("UIU", "UIEIU"))}
    # user - item - user: item 1 has {u0}, item 2 {u0, u1}, item 3 {u2}
    np.testing.assert_allclose(paths["UIU"].from_items(x)[:, 0], [0, 1, 1.5, 4])
    # ... - entity - item: entity 0 joins items 1 and 3: (1 + 4) / 2; entity 1 has item 2 alone
    np.testing.assert_allclose(paths["UIEIU"].from_items(x)[:, 0], [0, 2.5, 1.5, 2.5])
    means = PathMean(paths["UIU"].factors(graph.user_item))(torch.from_numpy(x))
    # with one self-loop: u0 (1 + (1 + 1.5) / 2) / 2, u1 (2 + 1.5) / 2, u2 (4 + 4) / 2
    np.testing.assert_allclose(means[:, 0], [1.125, 1.75, 4.0])


def test_an_item_without_link_is_passed_over_and_a_user_of_such_items_keeps_the_own_vector():
    graph = graph_of([(0, 1), (0, 2), (1, 3)], item_entity=[(1, 0), (0, 0)])
    path = meta_paths(graph, ("UIEIU",))[0]
    assert path.exists.tolist() == [True, True, False, False]
    x = torch.tensor([[3.0], [5.0]])
    means = PathMean(path.factors(graph.user_item))(x)
    assert means[:, 0].tolist() == [3.0, 5.0]


@pytest.mark.parametrize("name", ["UIEIU", "merged"])
def test_an_entity_of_very_many_items_costs_its_edges_and_not_their_square(name):
    n = 50_000
    users, items = np.arange(n), np.arange(1, n + 1)
    ones = np.ones(n, np.float32)
    user_item = sparse.csr_matrix((ones, (users, items)), shape=(n, n + 1))
    item_entity = sparse.csr_matrix((ones, (items, np.zeros(n, int))), shape=(n + 1, 1))
    nothing = sparse.csr_matrix((n + 1, 0), dtype=np.float32)
    no_item = sparse.csr_matrix((n + 1, n + 1), dtype=np.float32)
    graph = kg.KnowledgeGraph(user_item, no_item, nothing, item_entity, [], ["hub"], {}, Origin())
    (path,) = meta_paths(graph, (name,))
    assert sum(factor.nnz for factor in path.factors(user_item)) <= 8 * n
    x = (np.arange(n) % 2).astype(np.float32)[:, None]
    if name == "UIEIU":
        assert path.from_items(x)[1:, 0] == pytest.approx(x.mean(), rel=1e-4)


def test_an_unknown_meta_path_names_the_known():
    with pytest.raises(ValueError, match=r"UIXU.*UIU, UIIU"):
        meta_paths(graph_of([(0, 1)]), ("UIXU",))


# --- HDGI ---


def test_the_loss_is_the_sheets_equation_by_hand():
    torch.manual_seed(0)
    n, width, dim = 5, 3, 2
    x = torch.randn(n, width)
    chains = [[sparse.random(n, n, 0.6, format="csr", random_state=s)] for s in (0, 1)]
    chains = [[sparse.csr_matrix(by_row(chain[0]), dtype=np.float32)] for chain in chains]
    paths = [PathMean(chain) for chain in chains]
    model = HDGI(["one", "two"], width=width, dim=dim, semantic=4)
    order = torch.tensor([4, 2, 0, 1, 3])
    loss = model.loss([path(x) for path in paths], paths, x, order)

    def nodes(features):
        views = []
        for m, chain in enumerate(chains):
            a = torch.from_numpy(chain[0].toarray())
            a = (a + torch.eye(n)) / (1 + (a.sum(1, keepdim=True) > 0.5))
            h = a @ features @ model.weight[m] + model.bias[m]
            views.append(torch.where(h > 0, h, model.slope[m] * h))
        e = torch.stack(
            [
                (
                    torch.tanh(h @ model.attention.weight.T + model.attention.bias) @ model.query
                ).mean()
                for h in views
            ]
        )
        beta = e.exp() / e.exp().sum()
        return beta[0] * views[0] + beta[1] * views[1]

    true, false = nodes(x), nodes(x[order])
    g = torch.sigmoid(true.mean(0))
    d_true = torch.sigmoid(true @ model.discriminator @ g + model.offset)
    d_false = torch.sigmoid(false @ model.discriminator @ g + model.offset)
    expected = -(torch.log(d_true).sum() + torch.log(1 - d_false).sum()) / (2 * n)
    torch.testing.assert_close(loss, expected)


def test_gradients_reach_every_parameter_of_hdgi():
    graph = graph_of([(0, 1), (0, 2), (1, 2), (2, 3)], item_entity=[(1, 0), (3, 0), (2, 1)])
    paths = [
        PathMean(path.factors(graph.user_item)) for path in meta_paths(graph, ("UIU", "UIEIU"))
    ]
    torch.manual_seed(0)
    model = HDGI(["UIU", "UIEIU"], width=4, dim=4)
    x = torch.randn(3, 4)
    model.loss([path(x) for path in paths], paths, x, torch.tensor([1, 2, 0])).backward()
    assert not [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]


def test_hdgi_tells_true_nodes_from_corrupted_ones_and_finds_the_groups(dataset):
    learned = learned_of(dataset)[1]
    assert learned.losses[-1] < 0.6 * learned.losses[0]
    assert float(learned.betas.sum()) == pytest.approx(1)
    nodes = F.normalize(learned.nodes - learned.nodes.mean(0), dim=1)
    same = torch.arange(len(nodes))[:, None] % 4 == torch.arange(len(nodes)) % 4
    likeness = nodes @ nodes.T
    assert likeness[same].mean() > likeness[~same].mean() + 0.5


def test_the_same_seed_gives_the_same_hdgi_and_leaves_the_random_state_alone():
    graph = graph_of([(0, 1), (0, 2), (1, 2), (2, 3)])
    factors = {path.name: path.factors(graph.user_item) for path in meta_paths(graph, ("UIU",))}
    x = torch.randn(3, 4)
    before = torch.get_rng_state()
    one, two = (train_hdgi(x, factors, dim=2, epochs=5, seed=3) for _ in range(2))
    assert torch.equal(one.nodes, two.nodes)
    assert torch.equal(before, torch.get_rng_state())
    assert one.ended == "limit"


# --- personas ---


def learned_of(dataset):
    graph = kg.build_graph(dataset)
    options = pk.PersonaOptions(dim=8, epochs=120, lr=0.01)
    x = pk.start_vectors(dataset, options, 0)
    return graph, pk.learn(graph, x, ("UIU", "UIIU", "UIFIU", "UIEIU"), options, 0), x


def test_folding_in_a_users_training_items_gives_the_users_node(dataset):
    """The exactness of the fold-in: the running mean is the graph convolution."""
    graph, learned, x = learned_of(dataset)
    tables = pk.fold_in(graph, learned, x)
    for user in (0, 7):
        items = graph.user_item[user].indices.tolist()
        torch.testing.assert_close(tables.persona(items), learned.nodes[user], rtol=1e-4, atol=1e-4)


def test_a_persona_is_updated_by_a_new_event_without_retraining(dataset):
    graph, learned, x = learned_of(dataset)
    tables = pk.fold_in(graph, learned, x)
    before, after = tables.persona([1, 2]), tables.persona([1, 2, 3])
    assert (before - after).abs().max() > 1e-3
    with pytest.raises(ValueError, match="without events has no persona"):
        tables.persona([])


@pytest.mark.parametrize("source", ["hdgi", "dgi", "mean", "history"])
def test_a_persona_sees_neither_its_label_nor_anything_later(dataset, source):
    """Other items after position t, graph and all built anew with the same HDGI: personas up to t stay."""
    split = dataset.split
    changed = leave_one_out(fans(), "books")
    t, users = (
        3,
        np.arange(0, split.n_users, pk.FOLDS),
    )  # users of one fold, whose graphs are others'
    rng = np.random.default_rng(1)
    for user in users:
        late = slice(split.ptr[user] + t + 1, split.ptr[user + 1])
        changed.item[late] = rng.integers(1, split.n_items + 1, late.stop - late.start)
    names = ("merged",) if source == "dgi" else ("UIU", "UIIU", "UIFIU", "UIEIU")
    options = pk.PersonaOptions(source=source, dim=8, epochs=20)
    x = pk.start_vectors(dataset, options, 0)
    if source == "history":
        one, two = (pk.running_sum(x[s.item], pk.event_starts(s)).float() for s in (split, changed))
    else:
        learned = pk.learn(kg.build_graph(dataset), x, names, options, 0)
        one, two = (
            pk.fold_in_all(s, kg.build_graph(Dataset(s, dataset.corpus)), learned, x)
            for s in (split, changed)
        )
    for user in users:
        known = slice(split.ptr[user], split.ptr[user] + t + 1)
        torch.testing.assert_close(one[known], two[known], rtol=0, atol=1e-5)
        assert (one[known.stop] - two[known.stop]).abs().max() > 1e-3


def test_held_out_items_of_others_are_in_nobodys_persona(dataset):
    """Whoever else's validation and test items are replaced: the personas of the users' training events stay."""
    split = dataset.split
    changed = leave_one_out(fans(), "books")
    held_out = np.concatenate([split.held_out("valid")[1], split.held_out("test")[1]])
    changed.item[held_out] = 1
    _, learned, x = learned_of(dataset)
    one, two = (
        pk.fold_in_all(s, kg.build_graph(Dataset(s, dataset.corpus)), learned, x)
        for s in (split, changed)
    )
    training = np.setdiff1d(np.arange(len(split.item)), held_out)
    torch.testing.assert_close(one[training], two[training], rtol=0, atol=1e-5)


def test_a_shuffled_persona_is_somebody_elses_and_a_random_one_nobodys(dataset):
    options = {s: pk.PersonaOptions(source=s, dim=8, epochs=20) for s in ("shuffled", "random")}
    shuffled = pk.personas_of(dataset, options["shuffled"], 0).after
    first = dataset.split.ptr[:-1]
    assert torch.equal(shuffled[first], shuffled[first + 1])  # one persona a user, whatever happens
    random = pk.personas_of(dataset, options["random"], 0).after
    assert torch.equal(random[first], random[first + 1])
    assert not torch.equal(random, pk.personas_of(dataset, options["random"], 1).after)


def test_only_a_world_has_an_oracle(dataset):
    with pytest.raises(DataError, match="only a miniature world"):
        pk.personas_of(dataset, pk.PersonaOptions(source="oracle"), 0)


def test_principal_components_keep_distances():
    x = torch.randn(30, 6)
    whole = reduced(x, 6)
    wanted = torch.cdist(x, x)
    ratio = torch.cdist(whole, whole) / wanted.clamp(min=1e-9)
    off = ~torch.eye(30, dtype=torch.bool)
    assert ratio[off].std() < 1e-4
    assert reduced(x, 2).shape == (30, 2)


# --- the session model ---


def test_the_gate_is_the_equation_by_hand(dataset):
    model = PersonaSession(
        dataset.split,
        text=None,
        after=torch.randn(len(dataset.split.item), 3),
        dim=2,
        length=4,
        blocks=1,
        heads=1,
        dropout=0.0,
    )
    session, persona = torch.randn(1, 2), torch.randn(1, 2)
    both = torch.cat([session, persona], 1)
    g = 1 / (1 + torch.exp(-(both @ model.gate.weight.T + model.gate.bias)))
    torch.testing.assert_close(model.fuse(session, persona), g * session + (1 - g) * persona)


@pytest.mark.parametrize("name", ["SASRec + LLM items", "SASRec + session user", "Persona-KG"])
def test_gradients_reach_every_parameter(dataset, name):
    torch.manual_seed(0)
    model = build_model(name, dataset, **SMALL).train()
    batches = Batches(dataset.split, "train", 8, model.parts)
    batch = batches.batch(torch.arange(len(batches)))
    table = model.item_table()
    states = model.states(batch, table)[batch.real]
    first, last = dataset.split.candidates
    full_softmax_loss(states, table, batch.pos[batch.real], first, last, "fp32").backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without
    assert not model.item.weight.grad[0].any()


@pytest.mark.parametrize("name", ["SASRec + LLM items", "SASRec + session user", "Persona-KG"])
def test_a_training_position_reads_nothing_after_its_label(dataset, name):
    torch.manual_seed(0)
    model = build_model(name, dataset, **SMALL).eval()
    batches = Batches(dataset.split, "train", 8, model.parts)
    batch = batches.batch(torch.arange(len(batches)))
    late = torch.arange(batch.tgt.shape[1]) > 2
    other = dataclasses.replace(
        batch,
        tgt=torch.where(late, 1, batch.tgt),
    )
    with torch.no_grad():
        table = model.item_table()
        one, two = (model.states(b, table)[:, :3] for b in (batch, other))
    torch.testing.assert_close(one, two, rtol=0, atol=1e-6)


@pytest.mark.parametrize("stage", ["train", "valid", "test"])
def test_the_events_that_a_batch_reads_are_found(dataset, stage):
    split = dataset.split
    batches = Batches(split, stage, 8)
    batch = batches.batch(torch.arange(len(batches)))
    places = EventPlaces(split)(batch)
    assert torch.equal(torch.from_numpy(split.item)[places][batch.real], batch.tgt[batch.real])
    user = torch.from_numpy(np.repeat(np.arange(split.n_users), np.diff(split.ptr)))
    own = batch.user[:, None].expand_as(places)
    assert torch.equal(user[places][batch.real], own[batch.real])
    last = places[torch.arange(len(batches)), batch.n - 1]
    assert torch.equal(last, batches.label - 1)


def ndcg(name, dataset, **options):
    fitted = train(name, dataset, 0, False, **options)
    ranks = rank_fitted(fitted, dataset.split, system=name)
    return summarise(ranks, ["NDCG@10"])["NDCG@10"].iloc[0]


@pytest.mark.parametrize("name", ["SASRec + LLM items", "SASRec + session user", "Persona-KG"])
def test_the_groups_that_popularity_cannot_see_are_learned(dataset, name):
    options = {"epochs": 20, "lr": 5e-3, "batch_size": 32}
    assert ndcg(name, dataset, **SMALL, **options) > 2 * ndcg("Popularity", dataset)


def test_session_knn_learns_the_groups_and_never_copies_its_own_session(dataset):
    assert ndcg("SessionKNN", dataset) > 2 * ndcg("Popularity", dataset)
    alone = [("u0", f"i{n}", "books", n) for n in range(4)]
    others = [(f"v{u}", f"i{n + 5}", "books", n) for u in range(3) for n in range(4)]
    split = leave_one_out(corpus([*alone, *others]), "books")
    scores = train("SessionKNN", Dataset(split), 0, False).scores("test")(0, 4)
    assert not scores[0].any()


def test_session_knn_by_hand():
    rows = [("a", "i1", 0), ("a", "i2", 1), ("a", "i9", 2), ("a", "i8", 3)]
    rows += [("b", "i2", 0), ("b", "i3", 1), ("b", "i9", 2), ("b", "i8", 3)]
    split = leave_one_out(corpus([(u, i, "d", t) for u, i, t in rows]), "d")
    code = {name: c for c, name in enumerate(split.items, start=1)}
    scores = train("SessionKNN", Dataset(split), 0, False).scores("test")(0, 2)
    # a's session i1 i2 i9: b's training session {i2, i3} holds i2, the second latest: 1/2 over √2
    assert scores[0, code["i3"]] == pytest.approx(0.5 / np.sqrt(2))
    assert scores[0, code["i1"]] == 0


# --- hidden users and the rerank ---


def test_hidden_users_are_in_no_graph_no_training_and_no_validation(dataset):
    split, hidden = kg.hide_users(dataset.split, 0.3)
    assert 0 < len(hidden) < split.n_users
    graph = kg.build_graph(Dataset(split, dataset.corpus))
    assert graph.user_item[hidden].nnz == 0
    assert not np.isin(Batches(split, "train", 8).user.numpy(), hidden).any()
    assert not np.isin(split.held_out("valid")[0], hidden).any()
    assert (split.test == dataset.split.test).all()
    fitted = train("Persona-KG", dataset, 0, False, **SMALL, epochs=2, hide=0.3)
    ranks = rank_fitted(fitted, dataset.split, system="Persona-KG")
    assert set(hidden) <= set(ranks["user"])


def test_reranking_permutes_the_generators_candidates(dataset):
    options = {"dim": 16, "length": 8, "persona_dim": 8, "graph_epochs": 20, "epochs": 3}
    plain = train("Persona-KG", dataset, 0, False, loss="softmax", **options)
    again = train("Persona-KG + rerank", dataset, 0, False, candidates=20, **options)
    before = rank_fitted(plain, dataset.split, system="a")["rank"].to_numpy()
    after = rank_fitted(again, dataset.split, system="b")["rank"].to_numpy()
    assert ((before <= 20) == (after <= 20)).all()
    assert (before != after).any()
    assert (before[before > 20] == after[before > 20]).all()
    with pytest.raises(ValueError, match="first_stage 'BPR' is unknown"):
        train("Persona-KG + rerank", dataset, 0, False, first_stage="BPR")


# --- linking and probe ---


def resources(rows):
    import pandas as pd

    frame = pd.DataFrame(rows, columns=["resource", "label", "creators", "years"])
    for column in ("creators", "years"):
        frame[column] = [frozenset(values) for values in frame[column]]
    return frame


def outcome(title, creator, rows):
    import pandas as pd

    from reprolib.papers.persona_kg.linking import link_items

    items = pd.DataFrame({"item": ["x"], "title": [title], "creator": [creator]})
    row = link_items(items, resources(rows)).table.iloc[0]
    return row["resource"], row["outcome"]


def test_a_label_links_unless_creator_or_year_contradicts():
    dune = ("Dune_(novel)", "Dune (novel)", ["frank herbert"], ["1965"])
    film = ("Dune_(1984_film)", "Dune", ["david lynch"], ["1984"])
    assert outcome("DUNE!", "Frank Herbert", [dune, film]) == ("Dune_(novel)", "linked")
    assert outcome("Dune (1984)", "", [dune, film]) == ("Dune_(1984_film)", "linked")
    assert outcome("Dune", "", [dune]) == ("Dune_(novel)", "linked")
    assert outcome("Dune", "", [dune, film]) == ("", "ambiguous")
    assert outcome("Dune", "Somebody Else", [dune]) == ("", "contradicted")
    assert outcome("Emma", "Jane Austen", [dune]) == ("", "no such label")


def test_a_snapshot_with_escapes_languages_and_blank_nodes_is_read(tmp_path):
    from reprolib.papers.persona_kg.linking import LABEL, link_items, read_resources

    base = "http://dbpedia.org"
    lines = [
        f'<{base}/resource/Caf%C3%A9> <{LABEL}> "Caf\\u00e9 \\"Noir\\""@en .',
        f'<{base}/resource/Caf%C3%A9> <{LABEL}> "Kaffeehaus"@de .',
        f"<{base}/resource/Caf%C3%A9> <{base}/ontology/author> <{base}/resource/Ann_Lee> .",
        f"<{base}/resource/Caf%C3%A9> <{base}/ontology/author> _:b0 .",
    ]
    path = tmp_path / "snapshot.nt"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    found = read_resources(path)
    assert found["label"].tolist() == ['Café "Noir"']
    import pandas as pd

    items = pd.DataFrame({"item": ["1"], "title": ['Café "Noir"'], "creator": ["Ann Lee"]})
    assert link_items(items, found).rate == 1


def test_the_worlds_links_are_found_again():
    from reprolib.data.datasets import load_dataset, world_folder
    from reprolib.papers.persona_kg.linking import agreement, known_links, link_dataset

    folder = world_folder("smoke")
    links = link_dataset(load_dataset("world-smoke/books", "books"), folder / "dbpedia_facts.nt.gz")
    right = agreement(links, known_links(folder / "links_books.tsv"))
    assert right["precision"] > 0.95
    assert right["recall"] > 0.9
    assert links.summary()["items"].sum() == len(links.table)


def test_the_nearest_words_of_a_group_are_its_own(dataset):
    from reprolib.papers.persona_kg.probe import named_nodes, nearest_words

    graph, learned, x = learned_of(dataset)
    personas = pk.Personas(None, learned, x, tuple(learned.model.names), graph)
    names, nodes = named_nodes(personas)
    first = [row[0] for row in nearest_words(learned.nodes, names, nodes, k=1)]
    allowed = [
        {f"genre: G{g}", f"category: shelf {g}", f"category: shelf {g + 4}"} for g in range(4)
    ]
    right = sum(word in allowed[user % 4] for user, word in enumerate(first))
    assert right > 0.95 * len(first)
