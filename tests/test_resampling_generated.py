"""Rows from learned generators: of known classes they have the mean and the covariance, and they are no copies."""

import dataclasses
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from bench.stages.augmentation import ClassNoise
from bench.stages.generating import AutoencoderSamples, GanSamples, Generating
from tests import tiny

STAGES = (AutoencoderSamples(), GanSamples())
COMMON, RARE = 1500, 300


def kind(stage: Generating) -> str:
    return stage.kind


@cache
def normal() -> tuple[np.ndarray, np.ndarray]:
    """A common class, and a rare one whose numbers hang together."""
    rng = np.random.default_rng(3)
    mixing = np.array([[1.0, 0, 0], [0.8, 0.6, 0], [-0.5, 0.3, 0.5]])
    rare = rng.normal(size=(RARE, 3)) @ mixing.T + [2, -1, 3]
    return np.concatenate([rng.normal(size=(COMMON, 3)) * 2, rare]).astype(np.float32), np.repeat(
        [0, 1], [COMMON, RARE]
    )


@cache
def made(stage: Generating, seed: int = 1) -> np.ndarray:
    rows, labels = normal()
    some, targets = stage.resample(rows, labels, seed)
    np.testing.assert_array_equal(some[: len(rows)], rows)
    assert np.bincount(targets).tolist() == [COMMON, COMMON]
    return some[len(rows) :]


@pytest.mark.parametrize("stage", STAGES, ids=kind)
def test_new_rows_have_the_classs_mean_and_covariance(stage: Generating) -> None:
    own, new = normal()[0][COMMON:], made(stage)
    deviation = own.std(0)
    assert (np.abs(new.mean(0) - own.mean(0)) < 0.25 * deviation).all()
    assert (np.abs(np.log(new.var(0) / own.var(0))) < np.log(1.6)).all()
    np.testing.assert_allclose(np.corrcoef(new.T), np.corrcoef(own.T), atol=0.25)
    common = normal()[0][:COMMON]
    assert np.abs(common.mean(0) - own.mean(0)).max() > deviation.max(), "the other class would not pass"


@pytest.mark.parametrize("stage", STAGES, ids=kind)
def test_in_a_trial_run_a_generator_trains_no_longer_than_the_network(stage: Generating) -> None:
    recipe = dataclasses.replace(tiny.CASES["table"][1], steps=20, resample=stage, augment=(ClassNoise(),))
    short = recipe.brief()
    assert short.resample == dataclasses.replace(stage, steps=20)
    assert dataclasses.replace(short, resample=stage) == recipe
    assert dataclasses.replace(recipe, steps=1000).brief().resample == stage


@pytest.mark.parametrize("stage", STAGES, ids=kind)
def test_new_rows_are_finite_and_no_copies(stage: Generating) -> None:
    own, new = normal()[0][COMMON:], made(stage)
    assert new.dtype == np.float32
    assert np.isfinite(new).all()
    assert len(np.unique(new, axis=0)) == len(new)
    to_own = np.linalg.norm(new[:, None] - own[None], axis=2).min(1)
    assert np.median(to_own) > 0.01


@pytest.mark.parametrize("stage", STAGES, ids=kind)
def test_a_class_on_a_line_stays_near_it(stage: Generating) -> None:
    rng = np.random.default_rng(0)
    along = rng.uniform(-1, 1, 150)[:, None] * [1, 2, -1] + [4, 0, 1]
    rows = np.concatenate([rng.normal(size=(700, 3)), along]).astype(np.float32)
    new = stage.resample(rows, np.repeat([0, 1], [700, 150]), 2)[0][850:] - [4, 0, 1]
    direction = np.array([1, 2, -1]) / 6**0.5
    lengths = new @ direction
    off = np.linalg.norm(new - lengths[:, None] * direction, axis=1)
    assert np.median(off) < 0.3 * lengths.std()
    assert 0.6 < lengths.std() / (along - [4, 0, 1]).std(0).dot(np.abs(direction)) < 1.6


@pytest.mark.parametrize("stage", STAGES, ids=kind)
def test_equal_seeds_give_equal_rows_whatever_was_drawn_before(stage: Generating) -> None:
    import torch

    few = dataclasses.replace(stage, steps=5)
    rows, labels = normal()
    some = []
    for own, seed in ((0, 1), (9, 1), (0, 2)):
        torch.manual_seed(own)
        some.append(few.resample(rows, labels, seed)[0])
        assert torch.initial_seed() == own
    np.testing.assert_array_equal(some[0], some[1])
    assert not np.array_equal(some[0], some[2])


@pytest.mark.parametrize("stage", STAGES, ids=kind)
@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_every_smaller_class_of_images_is_raised_and_pixels_stay_bytes(stage: Generating, ratio: float) -> None:
    labels = np.repeat([0, 1, 3], [40, 12, 2])  # a class may be absent
    images = np.random.default_rng(0).integers(0, 256, (54, 3, 4, 4), dtype=np.uint8)
    some, targets = dataclasses.replace(stage, ratio=ratio, steps=20).resample(images, labels, 0)
    assert some.dtype == np.uint8
    assert some.shape[1:] == (3, 4, 4)
    np.testing.assert_array_equal(some[:54], images)
    assert np.bincount(targets).tolist() == [40, round(40 * ratio), 0, round(40 * ratio)]


def test_pixels_come_near_what_they_should_be() -> None:
    labels = np.repeat([0, 1], [200, 40])
    rng = np.random.default_rng(0)
    images = rng.normal(60, 10, (240, 1, 4, 4))
    images[200:, :, 2:] += 120
    new = AutoencoderSamples().resample(images.round().astype(np.uint8), labels, 0)[0][240:].astype(float)
    np.testing.assert_allclose(new.mean((0, 1))[:2], 60, atol=8)
    np.testing.assert_allclose(new.mean((0, 1))[2:], 180, atol=8)


@pytest.mark.parametrize("stage", STAGES, ids=kind)
def test_a_constant_number_stays_what_it_is(stage: Generating) -> None:
    rows, labels = normal()
    rows = np.column_stack([rows, np.full(len(rows), 7, np.float32)])
    new = dataclasses.replace(stage, steps=200).resample(rows, labels, 0)[0][len(labels) :]
    np.testing.assert_allclose(new[:, 3], 7, atol=1)


@pytest.mark.parametrize("stage", STAGES, ids=kind)
def test_nothing_is_learned_where_nothing_is_wanted(stage: Generating, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(stage), "learned", lambda *_: pytest.fail("it learned"))
    rows, labels = normal()
    some, _ = dataclasses.replace(stage, ratio=0.1).resample(rows, labels, 0)
    assert some is rows


def test_a_class_of_one_row_is_refused() -> None:
    rows = np.random.default_rng(0).normal(size=(21, 2)).astype(np.float32)
    with pytest.raises(ValueError, match="gan-samples needs 2 training rows of every class it raises; class 1 has 1"):
        GanSamples().resample(rows, np.repeat([0, 1], [20, 1]), 0)


def test_its_seconds_count_as_resampling() -> None:
    dataset = tiny.DATASETS["table"]
    recipe = dataclasses.replace(tiny.baseline(dataset), resample=AutoencoderSamples(steps=300))
    ready = tiny.prepared(dataset, recipe)
    assert ready.resample_seconds > ready.prepare_seconds


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: GanSamples(ratio=0.0), "ratio must be above 0 and at most 1, got 0.0"),
        (lambda: GanSamples(steps=0), "steps must be at least 1, got 0"),
        (lambda: GanSamples(noise=0), "noise must be at least 1, got 0"),
        (lambda: AutoencoderSamples(width=0), "width must be at least 1, got 0"),
        (lambda: AutoencoderSamples(batch=0), "batch must be at least 1, got 0"),
        (lambda: AutoencoderSamples(codes=0), "codes must be at least 1, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[[], Generating], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()
