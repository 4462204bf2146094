import pytest

from reprolib.training.stopping import Stopping, Training, run_epochs


def run(values, *, steps_per_epoch=1, **options):
    """The record of a training whose looks show the given values."""
    shown = iter(values)
    return run_epochs(
        "toy",
        Stopping(**options),
        train_epoch=lambda: (0.0, steps_per_epoch),
        validate=lambda: next(shown),
        keep_best=lambda: None,
        progress=False,
    )


def test_patience_counts_looks_and_not_epochs():
    """Today's sequence loop ended after five epochs with every=10: before it had looked once."""
    training = run([0.1, 0.2, *[0.15] * 5], epochs=1000, every=10, patience=5)
    assert (training.looks, training.best_look) == (7, 2)
    assert training.history[-1]["epoch"] == 70
    assert training.ended == "patience"


def test_the_last_epoch_is_always_followed_by_a_look():
    training = run([0.1, 0.2], epochs=13, every=10, patience=5)
    assert [row["epoch"] for row in training.history if "NDCG@10" in row] == [10, 13]
    assert training.ended == "limit"


def test_training_never_stops_before_the_minimum_of_steps():
    options = {"epochs": 50, "patience": 2, "steps_per_epoch": 10}
    assert run([0.3] * 50, **options).steps == 30
    training = run([0.3] * 50, **options, minimum_steps=200)
    assert (training.steps, training.ended) == (200, "patience")
    assert run([0.3] * 50, **options, minimum_steps=10_000).ended == "limit"


def test_a_value_that_only_equals_the_best_is_no_rise():
    assert run([0.2, 0.2, 0.2, 0.9], epochs=9, patience=2).best_look == 1


def test_an_interrupt_is_recorded_and_keeps_the_looks():
    def interrupt(epochs=[]):  # noqa: B006  counts its calls
        epochs.append(1)
        if len(epochs) == 3:
            raise KeyboardInterrupt
        return 0.5, 4

    training = run_epochs(
        "toy",
        Stopping(epochs=9),
        train_epoch=interrupt,
        validate=lambda: 0.1,
        keep_best=lambda: None,
        progress=False,
    )
    assert (training.ended, training.steps, training.looks) == ("interrupted", 8, 2)
    assert len(training.history) == 2


def test_only_the_best_looks_are_kept():
    kept = []
    shown = iter([0.1, 0.3, 0.2, 0.4])
    run_epochs(
        "toy",
        Stopping(epochs=4),
        train_epoch=lambda: (0.0, 1),
        validate=lambda: next(shown),
        keep_best=lambda: kept.append(1),
        progress=False,
    )
    assert len(kept) == 3


def test_a_system_that_is_not_trained_has_no_end():
    assert Training().ended == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"epochs": -1},
        {"epochs": 2.5},
        {"epochs": "9"},
        {"epochs": True},
        {"patience": 0},
        {"every": 0},
        {"minimum_steps": -1},
    ],
    ids=str,
)
def test_a_number_out_of_range_is_named(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name} is .*; use a whole number of at least"):
        Stopping(**({"epochs": 5} | wrong))
