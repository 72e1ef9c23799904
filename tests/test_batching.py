"""Batches that become even over the classes: what they hold, step by step and over a whole training."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench import training
from bench.catalogue import TECHNIQUES
from bench.course import Running
from bench.recipe import Recipe, apply, combine
from bench.stages.batching import Balanced, Progressive
from tests import tiny

COUNTS = np.array([70, 25, 5])


def _labels(seed: int = 0) -> np.ndarray:
    """Labels in no order."""
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(3), COUNTS))


def test_progressive_sampling_goes_from_the_rows_shares_to_even_ones_step_by_step() -> None:
    labels, steps = _labels(), 8
    drawn = Progressive().start(labels, len(labels), 6000, np.random.default_rng(1), steps)(steps)
    assert drawn.shape == (steps, 6000)
    for step, rows in enumerate(drawn):
        shares = (1 - step / steps) * COUNTS / COUNTS.sum() + step / steps / 3
        found = np.bincount(labels[rows], minlength=3)
        assert stats.chisquare(found, 6000 * shares).pvalue > 1e-3, step
        each = (shares / COUNTS)[labels]
        assert stats.chisquare(np.bincount(rows, minlength=100), 6000 * each).pvalue > 1e-3, "rows of a class are alike"


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(1, 20), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_progressive_batches_are_the_same_however_many_are_drawn_at_once(
    counts: list[int], size: int, steps: int
) -> None:
    labels = np.repeat(np.arange(len(counts)) * 2, counts)  # a class without rows between any two
    starts = (Progressive().start(labels, len(labels), size, np.random.default_rng(2), steps) for _ in range(2))
    whole, bitwise = starts
    together = whole(steps + 3)
    np.testing.assert_array_equal(together, np.concatenate([bitwise(1) for _ in range(steps + 3)]))
    assert set(together.ravel()) <= set(range(len(labels)))


def test_beyond_its_last_step_progressive_sampling_is_even() -> None:
    labels = _labels()
    draw = Progressive().start(labels, len(labels), 6000, np.random.default_rng(4), 2)
    found = np.bincount(labels[draw(5)[2:].ravel()], minlength=3)
    assert stats.chisquare(found).pvalue > 1e-3


def test_its_prior_is_what_the_loss_sees_at_the_end() -> None:
    np.testing.assert_allclose(Progressive().prior(np.array([0.7, 0.3, 0.0])), [0.5, 0.5, 0.0])
    fit = training.fit(*_arguments("progressive-sampling"))
    assert fit.prior is not None
    np.testing.assert_allclose(fit.prior, np.full((1, 3), 1 / 3))


@pytest.mark.parametrize("batches", [Progressive(), Balanced()], ids=lambda one: one.kind)
def test_a_regression_is_refused(batches) -> None:
    with pytest.raises(ValueError, match="class labels"):
        batches.start(None, 10, 4, np.random.default_rng(0), 5)


# ---- over a training --------------------------------------------------------------------------------------------


def _arguments(name: str, steps: int = 20) -> tuple[Recipe, list, int, int]:
    dataset = tiny.DATASETS["table"]
    base = dataclasses.replace(tiny.baseline(dataset, steps), batch_size=17)  # 3 does not divide it
    recipe = apply(base, combine([TECHNIQUES[name]], dataset.kind))
    return recipe, [tiny.prepared(dataset, recipe)], 3, steps


def _trained_on(name: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Inputs and labels of every batch that reached the network in a training."""
    found = []
    batch = Running.batch
    with monkeypatch.context() as patch:

        def watched(self: Running) -> tuple[torch.Tensor, torch.Tensor]:
            inputs, targets = batch(self)
            found.append((inputs[0], targets[0]))
            return inputs, targets

        patch.setattr(Running, "batch", watched)
        training.fit(*_arguments(name))
    return found


def _class_counts(batches: list[tuple[torch.Tensor, torch.Tensor]]) -> np.ndarray:
    return np.stack([np.bincount(labels.numpy(), minlength=3) for _, labels in batches])


def test_balanced_batches_are_even_in_every_batch_the_last_one_included(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = _class_counts(_trained_on("balanced-batches", monkeypatch))
    assert counts.shape == (20, 3)
    assert (np.ptp(counts, axis=1) <= 1).all()
    assert (np.ptp([counts[start : start + 3].sum(0) for start in range(0, 18, 3)], axis=1) == 0).all()


def test_deferred_sampling_is_the_baseline_up_to_its_start_and_balanced_from_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, deferred = (_trained_on(name, monkeypatch) for name in ("baseline", "deferred-sampling"))
    for (inputs, labels), (expected, theirs) in zip(deferred[:16], plain[:16], strict=True):
        assert torch.equal(inputs, expected)
        assert torch.equal(labels, theirs)
    assert (np.ptp(_class_counts(deferred[16:]), axis=1) <= 1).all()
    assert (np.ptp(_class_counts(plain[16:]), axis=1) > 1).any(), "balanced by chance would pass"


def test_progressive_sampling_over_a_training_brings_its_expected_class_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = _class_counts(_trained_on("progressive-sampling", monkeypatch))
    trial = _arguments("progressive-sampling")[1][0]
    mean = np.arange(20).mean() / 20
    shares = (1 - mean) * trial.row_prior + mean / 3
    assert stats.chisquare(counts.sum(0), counts.sum() * shares).pvalue > 1e-3
    assert counts[:5, 0].sum() > counts[15:, 0].sum()
