"""Enlarging: the rows as they are, then transformed copies of them, drawn by each trial for itself."""

import dataclasses

import numpy as np
import pytest
import torch

from bench import training
from bench.catalogue import TECHNIQUES
from bench.datasets.base import Dataset
from bench.keys import Streams
from bench.preparation import Prepared
from bench.recipe import Recipe, apply, combine
from bench.stages.augmentation import Augment, ClassNoise, Jitter, Scaling
from bench.stages.context import Context
from bench.stages.enlarging import CHUNK, Enlarge
from bench.stages.image_augmentation import Flip
from bench.stages.resampling import OverSample
from tests import tiny

everywhere = pytest.mark.parametrize("dataset", tiny.DATASETS.values(), ids=tiny.DATASETS)


def enlarged(dataset: Dataset, copies: int = 1, repeat: int = 0, **slots) -> Prepared:
    recipe = dataclasses.replace(_enlarging(dataset), **slots)
    return tiny.prepared(dataset, apply(recipe, {"enlarge.copies": copies}), repeat)


def _enlarging(dataset: Dataset) -> Recipe:
    return apply(tiny.baseline(dataset), combine([TECHNIQUES["enlarge"]], dataset.kind))


def context(rows: np.ndarray, targets: np.ndarray, **others) -> Context:
    streams = [Streams(1, "enlarging", 0, 0)]
    return Context([rows], [targets], None, 2, targets.ndim == 2, streams, torch.device("cpu"), **others)


@everywhere
@pytest.mark.parametrize("copies", [1, 3])
def test_rows_come_first_as_they_are_and_each_copy_has_their_labels(dataset: Dataset, copies: int) -> None:
    plain = tiny.prepared(dataset, tiny.baseline(dataset))
    ready = enlarged(dataset, copies)
    count = len(plain.targets)
    assert len(ready.inputs) == len(ready.targets) == count * (copies + 1)
    assert ready.inputs.dtype == plain.inputs.dtype
    np.testing.assert_array_equal(ready.inputs[:count], plain.inputs)
    np.testing.assert_array_equal(ready.targets, np.concatenate([plain.targets] * (copies + 1)))
    parts = np.split(ready.inputs, copies + 1)
    for index, part in enumerate(parts[1:]):
        assert not np.array_equal(part, plain.inputs)
        assert not np.array_equal(part, parts[index]), "every copy is drawn for itself"


@everywhere
def test_nothing_else_of_the_trial_changes(dataset: Dataset) -> None:
    plain, ready = tiny.prepared(dataset, tiny.baseline(dataset)), enlarged(dataset)
    for name in ("own_inputs", "own_targets", "validation_inputs", "validation_targets", "own_prior", "target_prior"):
        np.testing.assert_array_equal(getattr(ready, name), getattr(plain, name))


@everywhere
def test_trials_differ_and_one_trial_is_always_the_same(dataset: Dataset) -> None:
    count = len(tiny.prepared(dataset, tiny.baseline(dataset)).targets)
    one, again, other = (enlarged(dataset, repeat=repeat) for repeat in (0, 0, 1))
    np.testing.assert_array_equal(one.inputs, again.inputs)
    ours, theirs = (ready.inputs[count:].astype(float) - ready.inputs[:count] for ready in (one, other))
    assert not np.array_equal(ours, theirs)


def test_copies_have_the_spread_that_their_transforms_have() -> None:
    rows, targets = np.zeros((3000, 6, 1), dtype=np.float32), np.zeros(3000, dtype=np.int64)
    inputs, _ = Enlarge(1, (Jitter(0.3),)).enlarge(rows, targets, context(rows, targets))
    assert inputs[3000:].std() == pytest.approx(0.3, rel=0.02)


def test_transforms_follow_one_another_and_see_each_rows_own_target() -> None:
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1], 1500)
    rows = rng.normal(0, 1 + 9 * targets[:, None], (3000, 2)).astype(np.float32)
    inputs, _ = Enlarge(2, (ClassNoise(0.1),)).enlarge(rows, targets, context(rows, targets))
    assert len(rows) > 2 * CHUNK, "rows are transformed in several parts"
    for copy in (inputs[3000:6000], inputs[6000:]):
        moved = copy - rows
        assert moved[:1500].std() == pytest.approx(0.1, rel=0.05)
        assert moved[1500:].std() == pytest.approx(1.0, rel=0.05)


def test_a_regression_keeps_its_values() -> None:
    rows = np.ones((50, 5, 1), dtype=np.float32)
    targets = np.arange(100, dtype=np.float32).reshape(50, 2)
    inputs, values = Enlarge(1, (Scaling(0.5),)).enlarge(rows, targets, context(rows, targets))
    np.testing.assert_array_equal(values, np.tile(targets, (2, 1)))
    assert (np.ptp(inputs[50:], axis=1) == 0).all()
    assert np.ptp(inputs[50:]) > 1


def test_images_stay_bytes_and_every_copied_image_is_one_of_two() -> None:
    images = np.random.default_rng(1).integers(0, 256, (400, 3, 4, 6), dtype=np.uint8)
    labels = np.zeros(400, dtype=np.int64)
    known = context(images, labels, mirrors=True)
    copies = Enlarge(1, (Flip(),)).enlarge(images, labels, known)[0][400:]
    assert copies.dtype == np.uint8
    same = (copies == images).all((1, 2, 3))
    assert (same | (copies == images[..., ::-1]).all((1, 2, 3))).all()
    assert 0.4 < same.mean() < 0.6


def test_its_draws_are_apart_from_those_of_augmentation_during_training() -> None:
    dataset = tiny.DATASETS["series"]
    augmenting = apply(_enlarging(dataset), combine([TECHNIQUES["augmentation"]], "series"))
    plain, both = tiny.prepared(dataset, _enlarging(dataset)), tiny.prepared(dataset, augmenting)
    np.testing.assert_array_equal(plain.inputs, both.inputs)
    rows = np.zeros((500, 6, 1), dtype=np.float32)
    labels = np.zeros(500, dtype=np.int64)
    kinds: tuple[Augment, ...] = (Jitter(1.0),)
    ours, theirs = (
        Enlarge(1, kinds).enlarge(rows, labels, context(rows, labels, prefix=prefix))[0] for prefix in ("enlarge ", "")
    )
    assert abs(np.corrcoef(ours[500:].ravel(), theirs[500:].ravel())[0, 1]) < 0.1


def test_resampled_rows_are_enlarged_and_counted_as_changed() -> None:
    dataset = tiny.DATASETS["table"]
    sampled = tiny.prepared(dataset, dataclasses.replace(tiny.baseline(dataset), resample=OverSample(1.0)))
    both = enlarged(dataset, resample=OverSample(1.0))
    np.testing.assert_array_equal(np.split(both.inputs, 2)[0], sampled.inputs)
    assert not both.no_op
    idle = OverSample(0.01)
    assert not enlarged(dataset, resample=idle).no_op, "the sampler changes nothing, but the copies do"
    assert enlarged(dataset, copies=0, resample=idle).no_op
    assert enlarged(dataset, copies=0).no_op
    assert not tiny.prepared(dataset, tiny.baseline(dataset)).no_op


def test_the_time_it_takes_is_counted_as_resampling(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    enlarge = Enlarge.enlarge

    def slow(self: Enlarge, inputs: np.ndarray, targets: np.ndarray, known: Context) -> tuple[np.ndarray, np.ndarray]:
        clock[0] += 5
        return enlarge(self, inputs, targets, known)

    monkeypatch.setattr(Enlarge, "enlarge", slow)
    monkeypatch.setattr("bench.preparation.time.thread_time", lambda: clock[0])
    ready = enlarged(tiny.DATASETS["table"])
    assert (ready.resample_seconds, ready.prepare_seconds) == (5, 0)


def test_a_trial_trains_on_all_of_them() -> None:
    dataset = tiny.DATASETS["table"]
    recipe = _enlarging(dataset)
    trial = tiny.prepared(dataset, recipe)
    count = len(trial.own_targets)
    spoilt = dataclasses.replace(trial, inputs=trial.inputs.copy())
    spoilt.inputs[count:] += 1
    before, after = (dict(training.fit(recipe, [one], 3, 20).network.named_parameters()) for one in (trial, spoilt))
    assert not torch.equal(before["head.weight"], after["head.weight"])


@pytest.mark.parametrize("copies", [-1, 101])
def test_a_number_of_copies_that_cannot_be_is_refused(copies: int) -> None:
    with pytest.raises(ValueError, match=f"copies must be at least 0 and at most 100, got {copies}"):
        Enlarge(copies)
