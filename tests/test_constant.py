"""Trials that say the same of every test row are told of, whatever their mean is."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.reporting import tables
from bench.reporting.constant import MEAN, ONE_CLASS, Constant, constant_trials
from bench.reporting.trials import Trials


def dataset(names: list[str], confusions: list, r2: list[float], status: list[str]) -> Any:
    column = np.empty(len(names), dtype=object)
    column[:] = confusions
    trials = Trials(
        {"key": np.arange(len(names)), "technique": np.array(names), "confusion": column, "r2": np.array(r2),
         "status": np.array(status)}
    )  # fmt: skip
    return SimpleNamespace(trials=trials, planned=[SimpleNamespace(technique=name) for name in dict.fromkeys(names)])


def test_a_trial_that_puts_every_row_into_one_class_is_counted_and_one_that_does_not_is_not() -> None:
    never = np.array([0, 5, 0, 3])  # all eight rows are said to be of the second class
    rare = np.array([0, 5, 1, 2])
    found = constant_trials(
        dataset(["a", "a", "b", "b"], [never, rare, rare, never], [np.nan] * 4, ["ok", "ok", "ok", "diverged"])
    )
    assert found == {ONE_CLASS: [Constant("a", 1, 2)]}


def test_a_forecast_no_better_than_the_mean_is_counted() -> None:
    made = dataset(["a", "a", "b"], [np.empty(0, dtype=int)] * 3, [-0.1, 0.0, 0.2], ["ok"] * 3)
    assert constant_trials(made) == {MEAN: [Constant("a", 2, 2)]}
    assert tables._constant(made) == [f"{MEAN}, in some trials: a (2 of 2)"]
