"""Random sampling of rows: what a bootstrap before under-sampling draws, and where the time goes."""

import dataclasses
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import training
from bench.keys import digest
from bench.stages.phases import Phase
from bench.stages.resampling import Resample, UnderSample
from tests import tiny


@given(st.lists(st.integers(1, 40), min_size=2, max_size=4), st.integers(0, 2**40))
@settings(max_examples=30, deadline=None)
def test_a_bootstrap_is_drawn_within_each_class_and_under_sampled(counts: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = np.arange(len(labels), dtype=np.float32)[:, None]
    chosen, targets = UnderSample(1.0, bootstrap=True).resample(rows, labels, seed)
    assert (labels[chosen[:, 0].astype(int)] == targets).all()
    assert np.bincount(targets).tolist() == [min(counts)] * len(counts), "no class is missed, however small"
    rng = np.random.default_rng(seed)
    drawn = np.concatenate([rng.choice(np.flatnonzero(labels == label), count) for label, count in enumerate(counts)])
    times = np.bincount(chosen[:, 0].astype(int), minlength=len(labels))
    assert (times <= np.bincount(drawn, minlength=len(labels))).all(), "the draws of the bootstrap, no others"


def test_a_bootstrap_repeats_rows_and_differs_from_seed_to_seed() -> None:
    labels, rows = np.repeat([0, 1], [300, 100]), np.arange(400, dtype=np.float32)[:, None]
    one, again, other = (UnderSample(1.0, bootstrap=True).resample(rows, labels, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert set(one.ravel()) != set(other.ravel())
    rare = one[one >= 300]
    # each of n rows is drawn at least once with probability 1 - 1/e; 100 rows of 400 draws
    assert 50 < len(np.unique(rare)) < 76
    assert len(rare) > len(np.unique(rare))


def test_without_a_bootstrap_keys_are_as_they_were() -> None:
    recipe = tiny.baseline(tiny.DATASETS["table"])
    keys = [
        digest(dataclasses.replace(recipe, resample=stage).training())
        for stage in (UnderSample(1.0), UnderSample(1.0, bootstrap=False), UnderSample(1.0, bootstrap=True))
    ]
    assert keys[0] == keys[1] != keys[2]
    described = dataclasses.replace(recipe, resample=UnderSample(1.0)).training()["resample"]
    assert described == {"kind": "under-sample", "revision": 1, "ratio": 1.0}


SECONDS = 0.3


@dataclass(frozen=True)
class Slow(Resample):
    """Leaves rows as they are, and computes for a while."""

    kind: ClassVar[str] = "slow"

    def resample(self, inputs: np.ndarray, labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        until = time.thread_time() + SECONDS
        while time.thread_time() < until:
            pass
        return inputs, labels


def test_seconds_of_resampling_are_apart_from_those_of_training() -> None:
    dataset = tiny.DATASETS["table"]
    recipe = dataclasses.replace(tiny.baseline(dataset), resample=Slow())
    ready = tiny.prepared(dataset, recipe)
    assert SECONDS <= ready.resample_seconds < SECONDS + 0.2
    assert ready.prepare_seconds < SECONDS


def test_seconds_of_resampling_features_are_apart_too() -> None:
    dataset = tiny.DATASETS["table"]
    plain = tiny.baseline(dataset)
    phase = Phase("slow", 0.5, {"resample": Slow()}, part="head")
    recipe = dataclasses.replace(plain, phases=(phase,))
    trials = [tiny.prepared(dataset, recipe, repeat) for repeat in range(2)]
    fit = training.fit(recipe, trials, tiny.outputs(dataset), recipe.steps)
    assert SECONDS <= fit.resample_seconds < SECONDS + 0.2, "per trial of the stack"
    assert fit.seconds < SECONDS
