"""Rows held back: which rows a trial trains on, and that a technique which gives some back meets the same split."""

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.catalogue import TECHNIQUES
from bench.comparability import budgets
from bench.datasets import create
from bench.datasets.base import Data, Dataset
from bench.errors import UsageError
from bench.jobs import Job, Part
from bench.keys import Place, Streams, digest
from bench.preparation import prepare
from bench.recipe import Recipe, apply
from bench.splits import split
from bench.stages.decisions import Rule
from bench.subsets import subset
from bench.suitefile import load_suite
from bench.work import run_job
from tests import tiny

SUITE = """
question: what are more rows worth?
seed: 1
folds: 5
datasets: [{{use: digits, recipe: {{rows: {rows}}}}}]
techniques: [baseline, {technique}]
"""


class Divided(tiny.TinyTable):
    """A tiny table whose division can be chosen."""

    way: ClassVar[Literal["stratified", "group", "time"]] = "stratified"

    @property
    def division(self) -> Literal["stratified", "group", "time"]:
        return self.way


def divided(way: str) -> Dataset:
    return type("Chosen", (Divided,), {"way": way})()


def data(seed: int, rows: int) -> Data:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.repeat(np.arange(3), 12), rng.integers(0, 3, rows)])
    groups, when = rng.integers(0, 40, len(labels)), np.sort(np.round(rng.uniform(0, 200, len(labels))))
    return Data(np.arange(len(labels), dtype=np.float32)[:, None], labels, groups=groups, time=when)


shares = st.floats(0.001, 1.0)
ways = st.sampled_from(["stratified", "group", "time"])


@given(ways, st.integers(0, 1000), st.integers(30, 200), st.integers(0, 4), shares, shares)
@settings(max_examples=150, deadline=None)
def test_a_larger_share_contains_a_smaller_one_of_the_same_training_part(
    way: str, seed: int, rows: int, fold: int, one: float, other: float
) -> None:
    dataset, arrays = divided(way), data(seed, rows)
    parts = split(dataset, arrays, 5, 7, 0, fold)
    small, large = (
        subset(dataset, arrays, parts.train, share, Streams(7, "x", 0, fold)) for share in sorted((one, other))
    )
    assert set(small) <= set(large) <= set(parts.train)
    assert not set(large) & set(parts.validation)
    assert (np.diff(large) > 0).all()
    assert set(arrays.targets[small]) == set(arrays.targets[parts.train]), "no class is lost"
    assert arrays.groups is not None
    if way == "group":
        left = np.setdiff1d(parts.train, small)
        assert not set(arrays.groups[small]) & set(arrays.groups[left]), "groups stay whole"
    else:
        counts = np.bincount(arrays.targets[parts.train], minlength=3)
        assert (np.abs(np.bincount(arrays.targets[small], minlength=3) - min(one, other) * counts) < 1).all()


@given(shares, st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_of_a_regression_by_groups_a_share_of_whole_series_is_drawn(share: float, seed: int) -> None:
    dataset = create("sine", {"series": 12, "test_series": 1, "points": 40})
    arrays = dataset.make(seed, 0)
    assert arrays.groups is not None
    parts = split(dataset, arrays, 3, seed, 0, 0)
    rows = subset(dataset, arrays, parts.train, share, Streams(seed, "sine", 0, 0))
    series = np.unique(arrays.groups[rows])
    np.testing.assert_array_equal(rows, np.flatnonzero(np.isin(arrays.groups, series)))
    assert len(series) == max(1, round(share * 8))


def test_all_rows_are_exactly_the_training_part_and_any_share_depends_on_the_trial_but_not_on_its_replica() -> None:
    dataset, arrays = divided("stratified"), data(0, 100)
    rows = split(dataset, arrays, 5, 7, 0, 0).train
    assert subset(dataset, arrays, rows, 1.0, Streams(7, "x", 0, 0)) is rows
    chosen = [
        subset(dataset, arrays, rows, 0.5, Streams(7, "x", repeat, fold, replica)).tolist()
        for repeat, fold, replica in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0))
    ]
    assert chosen[0] == chosen[1]
    assert len({tuple(one) for one in chosen}) == 3


@pytest.mark.parametrize("dataset", tiny.DATASETS.values(), ids=tiny.DATASETS)
def test_only_training_rows_change_and_scaling_sees_those_used(dataset: Dataset) -> None:
    whole = tiny.baseline(dataset)
    few = dataclasses.replace(whole, rows=0.25)
    arrays, seed = dataset.make(7, 0), Streams(7, dataset.name, 0, 0)
    parts = split(dataset, arrays, 3, 7, 0, 0)
    ready = prepare(dataset, arrays, parts, few, seed)
    assert set(ready.rows) < set(parts.train)
    assert len(ready.own_targets) == len(ready.targets) == len(ready.rows)
    assert len(ready.validation_targets) == len(parts.validation)
    smaller = dataclasses.replace(parts, train=ready.rows)
    alone = prepare(dataset, arrays, smaller, whole, seed)
    for name in ("inputs", "own_inputs", "targets", "validation_inputs", "validation_targets", "validation_weights"):
        np.testing.assert_array_equal(getattr(ready, name), getattr(alone, name))
    np.testing.assert_array_equal(prepare(dataset, arrays, parts, whole, seed).rows, parts.train)


def _run(recipe: Recipe) -> Part:
    dataset = tiny.DATASETS["table"]
    rules = (("argmax", recipe.decide),) if isinstance(recipe.decide, Rule) else ()
    places = (Place(0, 0, 0, "key"),)
    identity = digest(dataset.identity())
    return run_job(Job("0-x", 7, dataset, identity, "tiny", "one", "t", recipe, 3, places, rules, {}))


def test_a_technique_with_more_rows_is_comparable_and_its_training_scores_are_those_of_its_rows() -> None:
    base = dataclasses.replace(tiny.baseline(tiny.DATASETS["table"]), rows=0.25)
    more = apply(base, TECHNIQUES["more-data"].change)
    one, other = _run(base), _run(more)
    for column in ("split", "fingerprint", "rows_validation", "rows_test", "truth", "steps", "status"):
        assert one.runs[0][column] == other.runs[0][column], column
    assert not budgets(more.training(), base.training())
    assert (one.runs[0]["rows_own"], other.runs[0]["rows_own"]) == (18, 36)
    for part, count in ((one, 18), (other, 36)):
        (row,) = [row for row in part.scores if row["part"] == "train"]
        assert sum(row["confusion"]) == row["rows"] == count


def test_with_a_budget_of_epochs_more_rows_take_more_steps() -> None:
    base = dataclasses.replace(tiny.baseline(tiny.DATASETS["table"]), rows=0.25, budget="epochs")
    more = apply(base, TECHNIQUES["more-data"].change)
    assert [_run(recipe).runs[0]["steps"] for recipe in (base, more)] == [20, 40]


def test_keys_hold_the_share_only_where_it_is_not_all() -> None:
    base = tiny.baseline(tiny.DATASETS["table"])
    assert not {"rows", "more_rows", "enlarge"} & set(base.training())
    assert dataclasses.replace(base, rows=0.5).training() == {**base.training(), "rows": 0.5}


@pytest.mark.parametrize(
    ("rows", "more", "message"),
    [
        (0.0, 1.0, "rows must be a share above 0 and at most 1 of the training rows, got 0.0"),
        (1.5, 1.0, "rows must be a share above 0 and at most 1 of the training rows, got 1.5"),
        (float("nan"), 1.0, "rows must be a share above 0 and at most 1 of the training rows, got nan"),
        (0.5, 0.5, "more_rows must be at least 1 times the rows, got 0.5"),
        (0.5, float("inf"), "more_rows must be at least 1 times the rows, got inf"),
        (0.5, 3.0, r"rows x more_rows is 1.5, more than there are; .* as in 'recipe: {rows: 0.3333}'"),
    ],
)
def test_shares_that_cannot_be_are_refused(rows: float, more: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(tiny.baseline(tiny.DATASETS["table"]), rows=rows, more_rows=more)


def test_a_share_may_miss_one_by_the_rounding_of_decimals() -> None:
    recipe = tiny.baseline(tiny.DATASETS["table"])
    assert dataclasses.replace(recipe, rows=0.07, more_rows=1 / 0.07).share() == pytest.approx(1)
    assert dataclasses.replace(recipe, rows=0.3333, more_rows=3.0).share() == pytest.approx(0.9999)


def test_a_suite_holds_rows_back_and_says_where_a_technique_asks_for_too_many(tmp_path) -> None:
    def load(rows: float, technique: str):
        path = tmp_path / "rows.yaml"
        path.write_text(SUITE.format(rows=rows, technique=technique), encoding="utf-8")
        return load_suite(path)

    suite = load(0.25, "{use: more-data, grid: default}")
    _, twice, four_times = suite.techniques
    assert suite.datasets[0].recipe.share() == 0.25
    assert [one.recipe(suite.datasets[0]).share() for one in (twice, four_times)] == [0.5, 1.0]
    whole = load(1, "more-data")
    reason = whole.techniques[1].not_applicable(whole.datasets[0])
    assert reason == "more-data needs rows held back in the dataset's recipe, as in 'recipe: {rows: 0.5}'"
    with pytest.raises(UsageError, match=r"rows\.yaml:6:.*'more_rows': rows x more_rows is 2, .* {rows: 0.25}"):
        load(0.5, "{use: more-data, set: {more_rows: 4}}")


def test_a_technique_says_which_networks_it_applies_to() -> None:
    dataset = tiny.DATASETS["table"]
    some = dataclasses.replace(TECHNIQUES["dropout"], networks=("lstm", "gru"))
    reason = some.not_applicable(dataset.task, dataset.kind, tiny.baseline(dataset))
    assert reason == "dropout applies to lstm and gru networks, not to mlp"
    series = tiny.DATASETS["series"]
    assert not some.not_applicable(series.task, series.kind, tiny.baseline(series))
