"""SMOTE on what the network makes of rows: the head trains on balanced features, and the rest stays bit for bit."""

import dataclasses

import numpy as np
import pytest
import torch

from bench import training
from bench.catalogue import TECHNIQUES
from bench.course import Course, Running
from bench.datasets.base import Dataset
from bench.prediction import features
from bench.preparation import Prepared
from bench.recipe import Recipe, apply
from bench.stages.phases import Phase
from bench.stages.resampling import Smote
from tests import tiny

CASES = {label: tiny.CASES[label] for label in ("table", "series", "image", "image-residual-cnn")}


def _recipe(base: Recipe) -> Recipe:
    return dataclasses.replace(apply(base, TECHNIQUES["feature-smote"].change), steps=20)


def _trials(recipe: Recipe, dataset: Dataset) -> list[Prepared]:
    """Two trials, or one where the network trains so."""
    return [tiny.prepared(dataset, recipe, repeat) for repeat in range(2 if recipe.network.stacks else 1)]


def _fit(recipe: Recipe, dataset: Dataset, steps: int) -> training.Fit:
    return training.fit(recipe, _trials(recipe, dataset), tiny.outputs(dataset), steps)


def _running(monkeypatch: pytest.MonkeyPatch, recipe: Recipe, dataset: Dataset) -> tuple[training.Fit, Running]:
    """Train, and return also what ran in the last step."""
    seen: list[Running] = []
    at = Course.at

    def watched(self: Course, step: int) -> Running:
        seen.append(at(self, step))
        return seen[-1]

    monkeypatch.setattr(Course, "at", watched)
    return _fit(recipe, dataset, recipe.steps), seen[-1]


@pytest.mark.parametrize(("dataset", "base"), CASES.values(), ids=CASES)
def test_only_the_head_changes_in_the_phase(dataset: Dataset, base: Recipe) -> None:
    recipe = _recipe(base)
    whole, before = _fit(recipe, dataset, 20), _fit(dataclasses.replace(recipe, phases=()), dataset, 16)
    held = dict(before.network.named_parameters()) | dict(before.network.named_buffers())
    for name, value in (dict(whole.network.named_parameters()) | dict(whole.network.named_buffers())).items():
        same = torch.equal(value, held[name])
        assert same != name.startswith("head."), name


@pytest.mark.parametrize(("dataset", "base"), CASES.values(), ids=CASES)
def test_the_head_is_given_the_rows_features_and_as_many_of_every_class(
    dataset: Dataset, base: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, last = _running(monkeypatch, _recipe(base), dataset)
    trials = _trials(base, dataset)
    rows = features(fit.network, [trial.inputs for trial in trials])
    for place, (trial, own) in enumerate(zip(trials, rows, strict=True)):
        counts = np.bincount(trial.targets)
        inputs, targets = last.context.inputs[place], last.context.targets[place]
        assert np.bincount(targets).tolist() == [counts.max()] * 3
        np.testing.assert_array_equal(inputs[: len(own)], own)
        np.testing.assert_array_equal(targets[: len(own)], trial.targets)
        assert inputs.shape[1:] == own.shape[1:]
    assert fit.prior is not None
    np.testing.assert_allclose(fit.prior, 1 / 3)


def test_the_new_features_lie_between_those_of_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, base = CASES["image"]
    _, last = _running(monkeypatch, _recipe(base), dataset)
    count = len(tiny.prepared(dataset, base).targets)
    inputs, targets = last.context.inputs[0], last.context.targets[0]
    for label in (1, 2):
        own, new = inputs[:count][targets[:count] == label], inputs[count:][targets[count:] == label]
        assert (new >= own.min(0) - 1e-5).all()
        assert (new <= own.max(0) + 1e-5).all()


def test_the_head_goes_on_from_the_weights_it_has() -> None:
    (phase,) = TECHNIQUES["feature-smote"].change["phases"]
    assert isinstance(phase, Phase)
    assert not phase.fresh
    assert phase.part == "head"


def test_a_class_with_too_few_rows_is_told() -> None:
    dataset, base = CASES["image"]
    phase = Phase("feature-smote", 0.8, {"resample": Smote(12)}, part="head")
    with pytest.raises(ValueError, match=r"smote with 12 neighbours needs more than 12 .* class 2 has 12"):
        _fit(dataclasses.replace(base, phases=(phase,)), dataset, base.steps)
