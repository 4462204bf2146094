"""What every cross-domain sequence model must do, whatever it is made of."""

import numpy as np
import pytest
import torch
from toy import corpus, echo, planted

from reprolib.data.dataset import Dataset
from reprolib.data.split import leave_one_out
from reprolib.evaluate.summary import summarise
from reprolib.evaluate.table import rank_table
from reprolib.papers.semacdr.semantics import Semantics
from reprolib.papers.semacdr.views import Views
from reprolib.runs.systems import build_model, options_of, train
from reprolib.training.batches import Batches
from reprolib.training.losses import binary_loss

SMALL = {"dim": 32, "length": 16}
QUICK = {"lr": 3e-3, "batch_size": 32}
PLAIN = ["CL4SRec", "pi-Net", "C2DSR", "MGCL", "CD-SASRec", "Tri-CDR", "TJAPL"]
WITH_TEXT = ["SemaCDR", "C2DSR + semantics", "Tri-CDR + semantics"]


def semantics(split, seed=0):
    """Labels and texts that say nothing but the parity of an item's number."""
    rng = np.random.default_rng(seed)
    parity = np.array([0, *(int(item[1:]) % 2 for item in split.items)])
    labels = np.zeros((split.n_items + 1, 2, 3), bool)
    labels[np.arange(1, split.n_items + 1), 0, parity[1:]] = True
    labels[1:, 1, 2] = True
    inner = (np.eye(8)[parity] + 0.1 * rng.normal(size=(split.n_items + 1, 8))).astype(np.float32)
    inner[0] = 0
    return Semantics(
        {"parity": ["even", "odd"], "all": ["a", "b", "c"]}, labels, [], [], inner, "toy", 0
    )


@pytest.fixture(autouse=True)
def one_thread():
    """Models this small are slower on two threads, and far slower where the second core is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def toy_semantics(monkeypatch):
    """Systems that read texts get the toy's labels in place of an annotator's."""

    def plug_in(dataset, dim, views, contrast, tau, annotator, categories, mixed=True):
        return Views(
            semantics(dataset.split),
            dataset.split.ranges,
            dim=dim,
            use=tuple(views.split("+")),
            weight=contrast,
            tau=tau,
            mixed=mixed,
        )

    monkeypatch.setattr("reprolib.papers.semacdr.systems.plug_in", plug_in)


def build(name, split, **options):
    """The system's model with its published preset, small."""
    torch.manual_seed(0)
    return build_model(name, Dataset(split), **SMALL, **options)


def split_of(n_users=60, **options):
    return leave_one_out(echo(n_users=n_users, **options), "target", "source")


def two_rings(n_users=250, n_items=40, length=8):
    """Users walk along a ring of source items and, in step with it, along a ring of target items."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(n_users):
        number = int(rng.integers(n_items))
        for step in range(length):
            rows.append((f"u{user}", f"s{number}", "source", 100 * step))
            rows.append((f"u{user}", f"t{number}", "target", 100 * step + 50))
            jumps = rng.random() < 0.1
            number = int(rng.integers(n_items)) if jumps else (number + 1) % n_items
    return corpus(rows, name="rings")


def ndcg(name, split, **options):
    """Test NDCG@10 of the named system with its own loss."""
    fitted = train(name, Dataset(split), 0, False, **options)
    ranks = rank_table(*fitted.vectors("test"), split, system=name)
    return summarise(ranks, ["NDCG@10"])["NDCG@10"].iloc[0]


# loss of the preset; epochs that suffice; how many times Popularity's NDCG (about 0.17) it reaches then
@pytest.mark.parametrize(
    ("name", "loss", "epochs", "factor"),
    [
        ("SASRec-both", "bce", 6, 3),
        ("pi-Net", "bce", 16, 3),
        ("C2DSR", "bce", 5, 3),
        ("MGCL", "bce", 5, 3),
        ("CD-SASRec", "bce", 8, 3),
        ("Tri-CDR", "bce", 16, 3),
        ("TJAPL", "bce", 8, 3),
        ("SemaCDR", "bpr", 10, 3),
        ("C2DSR + semantics", "bce", 8, 3),
        ("Tri-CDR + semantics", "bce", 30, 2),
    ],
)
def test_a_published_preset_of_two_domains_learns_the_echo(name, loss, epochs, factor):
    assert options_of(name)["loss"] == loss
    split = split_of(250)
    reached = ndcg(name, split, **SMALL, **QUICK, epochs=epochs, every=2)
    assert reached > factor * ndcg("Popularity", split)


def test_semacdr_scored_by_its_graph_learns_two_rings():
    """Not the echo: there every item meets every other, and a complete graph gives all items one vector."""
    assert options_of("SemaCDR graph-scored")["loss"] == "bpr"
    split = leave_one_out(two_rings(), "target", "source")
    reached = ndcg("SemaCDR graph-scored", split, **SMALL, **QUICK, epochs=16, every=2)
    assert reached > 2 * ndcg("Popularity", split)


@pytest.mark.parametrize(
    ("name", "loss"), [("SASRec", "bce"), ("SASRec-SSM", "ssm"), ("CL4SRec", "bce")]
)
def test_a_published_preset_of_one_domain_learns_the_ring(name, loss):
    assert options_of(name)["loss"] == loss
    split = leave_one_out(planted(), "ring")
    reached = ndcg(name, split, dim=32, length=12, batch_size=64, epochs=30, every=5)
    assert reached > 3 * ndcg("Popularity", split)


@pytest.mark.parametrize("name", PLAIN + WITH_TEXT)
def test_domains_without_a_common_user_are_trained_on(name):
    """goodreads | steam: whoever has a target event has no source event."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(30):
        rows += [(f"a{user}", f"s{i}", "source", t) for t, i in enumerate(rng.permutation(20)[:6])]
        rows += [(f"b{user}", f"t{i}", "target", t) for t, i in enumerate(rng.permutation(20)[:6])]
    split = leave_one_out(corpus(rows), "target", "source")
    fitted = train(name, Dataset(split), 0, False, **SMALL, epochs=1)
    queries, items = fitted.vectors("test")
    assert torch.isfinite(queries).all()
    assert torch.isfinite(items).all()


@pytest.mark.parametrize("name", PLAIN + WITH_TEXT)
def test_gradients_reach_every_parameter(name):
    split = split_of()
    model = build(name, split).train()
    batches = Batches(split, "train", 16, model.parts)
    batch = batches.batch(torch.arange(len(batches)))
    for _ in range(6):  # CL4SRec draws its operations
        table = model.item_table()
        step = getattr(model, "training_step", lambda b, t: (model.states(b, t), 0.0))
        state, own = step(batch, table)
        negatives = torch.randint(*split.candidates, (int(batch.real.sum()),))
        (binary_loss(state[batch.real], table, batch.pos[batch.real], negatives) + own).backward()
    without = [
        n
        for n, p in model.named_parameters()
        if p.requires_grad and (p.grad is None or not p.grad.abs().sum())
    ]
    assert not without


@pytest.mark.parametrize("name", PLAIN + WITH_TEXT)
@pytest.mark.parametrize("stage", ["valid", "test"])
def test_what_happens_at_or_after_the_prediction_changes_nothing(name, stage):
    """In either domain, and in every graph: the model is built anew on the changed data."""
    states = []
    for changed in (False, True):
        split = split_of(40)
        if changed:
            rng = np.random.default_rng(1)
            users, where = split.held_out(stage)
            moment = split.time[where]
            user = np.repeat(np.arange(split.n_users), np.diff(split.ptr))
            late = split.time >= moment[np.searchsorted(users, user)]
            split.item[late] = rng.integers(
                split.candidates[0], split.candidates[1] + 1, late.sum()
            )
            src_user = np.repeat(np.arange(split.n_users), np.diff(split.src_ptr))
            split.src_item[split.src_time >= moment[np.searchsorted(users, src_user)]] = 1
        model = build(name, split).eval()
        batches = Batches(split, stage, model.length, model.parts)
        with torch.no_grad():
            table = model.item_table()
            batch = batches.batch(torch.arange(len(batches)))
            states.append(model.states(batch, table)[torch.arange(len(batches)), batch.n - 1])
    torch.testing.assert_close(*states, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", PLAIN + WITH_TEXT)
def test_a_training_position_reads_nothing_after_its_label(name):
    """Inside one batch: other items after position t leave the states up to t alone."""
    import dataclasses

    split = split_of()
    model = build(name, split).eval()
    batches = Batches(split, "train", 16, model.parts)
    batch = batches.batch(torch.arange(len(batches)))
    t = 2
    changes = {
        "tgt": torch.where(torch.arange(batch.tgt.shape[1]) > t, split.candidates[1], batch.tgt)
    }
    for part in ("src", "mix"):
        if part in model.parts:
            items, last = getattr(batch, part), getattr(batch, f"{part}_ptr")[:, t]
            late = torch.arange(items.shape[1]) > last[:, None]
            changes[part] = torch.where(late, split.candidates[1] if part == "mix" else 1, items)
    with torch.no_grad():
        table = model.item_table()
        before, after = (
            model.states(b, table)[:, : t + 1]
            for b in (batch, dataclasses.replace(batch, **changes))
        )
    torch.testing.assert_close(before, after, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", PLAIN + WITH_TEXT)
def test_saved_weights_give_the_same_ranks(name, tmp_path):
    from safetensors.torch import load_file, save_file

    from reprolib.training.loop import encode, fit

    split = split_of()
    model = fit(build(name, split), split, epochs=2, progress=False, device="cpu").model
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "model.safetensors"
    )
    again = build(name, split)
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    test = Batches(split, "test", 16, model.parts)
    for one, two in zip(encode(model, test), encode(again, test), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["pi-Net", "C2DSR", "Tri-CDR", "SemaCDR"])
def test_the_same_seed_gives_the_same_vectors(name):
    def queries():
        fitted = train(name, Dataset(split_of()), 3, False, **SMALL, epochs=2)
        return fitted.vectors("test")[0]

    torch.testing.assert_close(queries(), queries(), rtol=0, atol=0)


@pytest.mark.parametrize("name", PLAIN + WITH_TEXT)
def test_the_trained_model_is_the_model_that_is_built(name):
    """Options of the builder are the options of the system: defaults stand once."""
    split = split_of()
    fitted = train(name, Dataset(split), 0, False, epochs=1)
    model = build_model(name, Dataset(split))
    assert fitted.parameters == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", PLAIN + WITH_TEXT)
def test_padding_is_never_trained(name):
    split = split_of()
    model = build(name, split).train()
    batches = Batches(split, "train", 16, model.parts)
    batch = batches.batch(torch.arange(len(batches)))
    table = model.item_table()
    state = model.states(batch, table)
    binary_loss(state[batch.real], table, batch.pos[batch.real], batch.pos[batch.real]).backward()
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding) and module.num_embeddings == split.n_items + 1:
            assert module.weight.grad is None or not module.weight.grad[0].any()


@pytest.mark.parametrize(
    "option",
    [
        {"item_graph": "sequential"},
        {"cross": False},
        {"fusion": "average"},
        {"score": "graph"},
        {"views": "id"},
        {"views": "id+inn"},
        {"views": "id+agn"},
    ],
)
def test_every_ablation_of_semacdr_is_another_model(option):
    split = split_of()
    one, two = (build("SemaCDR", split, **o).eval() for o in ({}, option))
    wanted = {k: v.shape for k, v in two.state_dict().items()}
    two.load_state_dict(
        {k: v for k, v in one.state_dict().items() if wanted.get(k) == v.shape}, strict=False
    )
    batches = Batches(split, "test", 16, one.parts)
    batch = batches.batch(torch.arange(len(batches)))
    with torch.no_grad():
        if "fusion" in option:
            assert not two.fusion.requires_grad
            return
        scores = [m.states(batch, m.item_table()) @ m.item_table().T for m in (one, two)]
    assert (scores[0] - scores[1]).abs().max() > 1e-4


def test_semantic_modules_learn_at_their_own_rate():
    groups = build("SemaCDR", split_of()).learning_rates()
    assert [g.get("lr") for g in groups] == [3e-4, None]
    assert sum(len(g["params"]) for g in groups) == len(
        list(build("SemaCDR", split_of()).parameters())
    )


def test_the_views_are_drawn_together_by_their_contrastive_loss():
    split = split_of()
    model = build("SemaCDR", split)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    values = []
    for _ in range(30):
        loss = model.views.contrast(model.item.weight)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] < 0.8 * values[0]


def test_projecting_the_views_is_a_layer_over_all_of_them_side_by_side():
    split = split_of()
    views, layer = build("SemaCDR", split).views, torch.nn.Linear(3 * 32, 32)
    ids, items = torch.randn(split.n_items + 1, 32), torch.tensor([3, 1, 1])
    joined = torch.cat([ids[items], views.view("inn", items), views.view("agn", items)], 1)
    torch.testing.assert_close(views.project(ids, layer, items) + layer.bias, layer(joined))
