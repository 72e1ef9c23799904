"""Stacks of several rates: which trainings share one, and that what a trial measures is what it measures apart."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench import stacks
from bench.jobs import Job
from bench.plan import Plan
from bench.store import Store
from tests.test_run import plan_of, run, scores

RATES = {"optimizer.lr": [0.001, 0.01, 0.1]}
GRID = ["baseline", {"use": "baseline", "grid": RATES}, {"use": "dropout", "grid": RATES}, "momentum"]


def _jobs(plan: Plan) -> list[Job]:
    return stacks.missing_jobs(plan, set(), 0, None)


def test_trainings_that_differ_in_their_rate_alone_share_stacks(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, GRID)
    jobs = _jobs(plan)
    assert sorted(place.key for job in jobs for place in job.places) == sorted(
        {place.key for one in plan.trainings for place in one.trials}
    )
    for job in jobs:
        held = [next(one for one in plan.trainings if one.digest == job.named(place.key)[0]) for place in job.places]
        assert len({(one.recipe.network, type(one.recipe.optimizer)) for one in held}) == 1
        assert len(job.places) <= stacks.STACK
        if job.own:
            assert [one.recipe.optimizer for one in held] == job.optimizers(place.key for place in job.places)
            assert [one.technique_label for one in held] == [job.named(place.key)[1] for place in job.places]
    dropouts = [job for job in jobs if job.technique_label.startswith("dropout")]
    assert len(dropouts) == 1, "3 rates x 6 trials are 18"
    assert len({one.training for one in dropouts[0].own.values()}) == 3


def test_a_training_that_fills_a_stack_stands_alone(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, GRID, repeats=10, folds_per_repeat=2)
    assert not any(job.own for job in _jobs(plan))


def test_what_does_not_stack_trains_one_by_one(tmp_path: Path) -> None:
    jobs = _jobs(plan_of(tmp_path, ["baseline", {"use": "muon", "grid": RATES}]))
    assert all(len(job.places) == 1 and not job.own for job in jobs if job.technique_label.startswith("muon"))


@pytest.mark.parametrize("technique", ["baseline", "easy-ensemble"])
def test_a_trial_measures_the_same_in_a_stack_of_several_rates_and_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, technique: str
) -> None:
    plan = plan_of(tmp_path, ["baseline", {"use": technique, "grid": RATES}], repeats=2, folds_per_repeat=1)
    assert any(job.own for job in _jobs(plan))
    together, apart = Store(tmp_path / "together"), Store(tmp_path / "apart")
    run(plan, together)
    monkeypatch.setattr(stacks, "_but_for_its_rate", lambda one: one.digest)
    assert not any(job.own for job in _jobs(plan))
    run(plan, apart)
    pd.testing.assert_frame_equal(scores(together), scores(apart))
    names = ["key", "training", "technique", "repeat", "status", "steps", "examples"]
    first, second = (one.runs().sort_values("key").reset_index(drop=True) for one in (together, apart))
    pd.testing.assert_frame_equal(first[names].astype(str), second[names].astype(str))
    for one, other in zip(first["curve_validation"], second["curve_validation"], strict=True):
        np.testing.assert_array_equal(one, other)
