"""Which rows a search sees: none that any scored trial tests, by row number and by value, on every kind of data."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import execution, runner, searchrows
from bench.choosing import FIRST_REPEAT
from bench.datasets import DATASETS, create
from bench.datasets.base import Data
from bench.errors import UsageError
from bench.plan import make_plan
from bench.roles import check_roles
from bench.searched import searched
from bench.searchrows import check_enough, for_search, set_apart
from bench.splits import split
from bench.store import Store
from bench.suitefile import load_suite
from tests.test_run import Listener
from tests.test_splits import data, ways
from tests.test_splits import dataset as table


class Sums(Listener):
    """Takes several rounds."""

    def started(self, jobs) -> None: ...


def only(way: str, arrays: Data) -> Data:
    """The arrays with what their division needs alone: the other would be cut across."""
    return dataclasses.replace(
        arrays, groups=arrays.groups if way == "group" else None, time=arrays.time if way == "time" else None
    )


@given(ways, st.integers(0, 1000), st.integers(90, 200), st.integers(2, 4), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_rows_that_are_tested_are_in_no_search_and_all_others_are(
    way: str, seed: int, rows: int, folds: int, repeat: int
) -> None:
    source, arrays = table(way, False), only(way, data(seed, rows))
    apart, others = set_apart(source, arrays, 7), searchrows.tested(source, arrays, 7)
    assert not set(apart) & set(others)
    held = [split(source, arrays, folds, 7, repeat, fold, "scored") for fold in range(folds)]
    for parts in held:
        assert parts.test is not None
        assert not set(parts.test) & set(apart)
        check_roles(source, arrays, parts)
    together = np.concatenate([parts.test for parts in held if parts.test is not None])
    assert sorted(together) == list(others)  # each is tested once per repeat
    if way == "group":
        assert arrays.groups is not None
        assert not set(arrays.groups[apart]) & set(arrays.groups[others])
    if way == "time":
        assert arrays.time is not None
        assert arrays.time[apart].max() + source.gap < arrays.time[others].min()


@given(ways, st.integers(0, 1000), st.integers(120, 200), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_a_search_of_a_table_trains_and_validates_on_what_is_set_apart(
    way: str, seed: int, rows: int, repeat: int
) -> None:
    source, arrays = table(way, False), only(way, data(seed, rows))
    own = for_search(source, arrays, 7)
    assert own.test_targets is not None
    assert len(own.test_targets) == 0
    apart = set_apart(source, arrays, 7)
    np.testing.assert_array_equal(own.inputs, arrays.inputs[apart])
    parts = split(source, own, 2, 7, FIRST_REPEAT + repeat, repeat % 2, "search")
    assert parts.test is None
    together = np.concatenate([parts.train, parts.validation])
    assert len(set(together)) == len(together)
    check_roles(source, own, parts)
    if way != "time":
        assert len(together) == len(apart)


@pytest.mark.parametrize("name", [n for n, kind in DATASETS.items() if kind.repeats == "independent"])
def test_a_search_on_a_generator_is_in_another_world(name: str) -> None:
    source = create(name, {})
    small = {key: value for key, value in source.smoke.items() if hasattr(source, key)}
    source = dataclasses.replace(source, **small)
    own, scored = for_search(source, source.make(3, FIRST_REPEAT), 3), source.make(3, 0)
    assert own.test_targets is not None
    assert len(own.test_targets) == 0
    assert own.test_groups is None
    assert own.test_time is None
    for inputs in (scored.inputs, scored.test_inputs):
        assert inputs is not None
        assert not {row.tobytes() for row in own.inputs} & {row.tobytes() for row in inputs}


def test_the_test_digits_are_the_same_in_every_repeat_and_in_no_search() -> None:
    source = create("digits", {})
    worlds = [source.make(3, repeat) for repeat in (0, 1, FIRST_REPEAT)]
    tests = [world.test_inputs for world in worlds]
    assert all(np.array_equal(_given(one), _given(tests[0])) for one in tests)
    own = for_search(source, worlds[2], 3)
    both = {row.tobytes() for row in own.inputs} & {row.tobytes() for row in _given(tests[0])}
    assert not both


def _given(rows: np.ndarray | None) -> np.ndarray:
    assert rows is not None
    return rows


def test_a_table_too_small_for_a_third_is_refused() -> None:
    source = table("stratified", False)  # its rarest class has 18 rows
    check_enough(source, 6)
    with pytest.raises(UsageError, match=r"7 folds of it need at least 21 rows of the rarest class, there are 18"):
        check_enough(source, 7)
    check_enough(table("stratified", True), 18)


def test_on_a_users_table_no_tested_row_is_ever_searched(tmp_path: Path) -> None:
    """A row's number is a column of its own, so that rows are told apart by value whatever is done with them."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(150, 3)).round(6), columns=list("abc"))
    frame["target"] = np.where(frame["a"] + rng.normal(size=150) > 0, "yes", "no")
    frame.to_csv(tmp_path / "t.csv", index=False)
    suite = {
        "question": "?",
        "seed": 4,
        "repeats": 2,
        "folds": 3,
        "choosing": {"repeats": 2, "extend": 0},
        "datasets": [
            {
                "use": "table",
                "set": {"path": str(tmp_path / "t.csv"), "target": "target"},
                "recipe": {"steps": 10, "network.width": 4},
            }
        ],
        "techniques": ["baseline", {"use": "dropout", "choose": {"optimizer.lr": [0.001, 0.01]}}],
    }
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(suite), encoding="utf-8")
    plan, store = make_plan(load_suite(file)), Store(tmp_path / "results")
    seen: dict[str, set[bytes]] = {"searched": set(), "tested": set()}

    def execute(jobs):
        for job in jobs:
            for place in [] if job.probe else job.places:
                world: Data = job.dataset.make(job.seed, place.repeat)
                if job.use == "search":
                    world = for_search(job.dataset, world, job.seed)
                parts = split(job.dataset, world, job.folds, job.seed, place.repeat, place.fold, job.use)
                rows = np.concatenate([parts.train, parts.validation]) if parts.test is None else parts.test
                name = "searched" if job.use == "search" else "tested"
                seen[name] |= {row.tobytes() for row in world.inputs[rows]}
        yield from execution.inline(jobs)

    outcomes = runner.run(plan, store, execute, Sums())
    assert set(outcomes.statuses) == {"ok"}
    assert (len(seen["searched"]), len(seen["tested"])) == (50, 100)
    assert not seen["searched"] & seen["tested"]
    assert {training.use for training in make_plan(plan.suite).trainings} == {"scored"}
    (found,) = searched(store.read_plan(), store)
    assert found.chosen
    assert set(store.searches.runs()["rows_train"] + store.searches.runs()["rows_validation"]) == {50}
    plain = {**suite, "techniques": ["baseline", "dropout"]}
    del plain["choosing"]
    file.write_text(yaml.safe_dump(plain), encoding="utf-8")
    assert {training.use for training in make_plan(load_suite(file)).trainings} == {"all"}
