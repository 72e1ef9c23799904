"""The committed reference runs: complete, and about what their suites say."""

from functools import cache
from pathlib import Path

import pytest

import bench
from bench import searched
from bench.frames import Results
from bench.plan import make_plan
from bench.store import Store
from bench.stored import compare, look_up
from bench.suitefile import load_suite

SUITES = sorted(file.parent.name for file in Path("results/reference").glob("*/plan.json"))
FORECASTS = ("sine-rnn", "sine-lstm", "sine-gru")


@cache
def reference(suite: str) -> Results:
    return bench.load(f"reference/{suite}")


def test_there_are_references() -> None:
    assert SUITES == ["imbalance", "optimizers", "overfitting", "tuning"]


@pytest.mark.parametrize("suite", SUITES)
def test_every_planned_training_is_stored_and_went_well(suite: str) -> None:
    runs = reference(suite).runs
    assert set(runs["status"]) == {"ok"}
    assert not runs["dirty"].any()


@pytest.mark.parametrize("suite", SUITES)
def test_a_run_that_goes_on_from_a_copy_has_nothing_to_train(suite: str) -> None:
    store = Store(Path("results/reference") / suite)
    plan = searched.followed(make_plan(load_suite(f"suites/{suite}.yaml")), store, searched.recorded)
    held = look_up(plan, store, retry=False)
    states = compare(plan, held.statuses, held.scored, {}, held.lost)
    assert sum(state.stored for state in states) > 0
    assert [state for state in states if state.missing or state.to_score] == []


@pytest.mark.parametrize("suite", SUITES)
def test_it_is_the_run_of_the_suite_that_is_shipped(suite: str) -> None:
    shipped, held = load_suite(f"suites/{suite}.yaml"), reference(suite).plan
    assert [one.label for one in shipped.datasets] == [one["label"] for one in held["datasets"]]
    assert [one.label for one in shipped.techniques] == [one["label"] for one in held["techniques"]]
    for one, facts in zip(shipped.datasets, held["datasets"], strict=True):
        assert (one.repeats, one.folds, one.folds_per_repeat) == (
            facts["repeat_count"], facts["folds"], facts["folds_per_repeat"],
        )  # fmt: skip
        fewest = 10 if suite == "tuning" else 20  # whose recurrent network trains one trial at a time
        assert one.repeats >= (5 if one.label == "cifar10" else fewest)


def test_every_baseline_of_the_suite_against_overfitting_overfits() -> None:
    table = reference("overfitting").differences.query("technique == 'baseline'").set_index("dataset")
    assert (table["gap_low95"] > 0).all()
    assert (table["gap"] > 10 * table["margin"] * table["score"].where(table["metric"] == "rmse", 1.0)).all()


def test_forecasts_stand_beside_the_free_references() -> None:
    table = reference("overfitting").differences
    for label in FORECASTS:
        own = table[table["dataset"] == label].set_index("technique")
        assert {"last-value", "linear-autoregression"} <= set(own[own["rank"].notna()].index)
        assert own.loc["last-value", "score"] > own.loc["linear-autoregression", "score"]  # an error


def test_marked_techniques_have_test_curves_and_no_others() -> None:
    results = reference("overfitting")
    marked = {one["label"] for one in results.plan["techniques"] if one["test_curve"]} | {"A/A"}
    curves = results.curves.query("part == 'test'")
    assert set(curves["technique"]) == marked
    assert curves.groupby(["dataset", "technique", "repeat", "fold", "replica"]).size().max() <= 20
