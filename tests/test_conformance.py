"""Laws that every technique in the catalogue obeys, on every kind of data it applies to. No exceptions by name."""

import numpy as np
import pytest
import torch

from bench import training
from bench.catalogue import TECHNIQUES
from bench.datasets.base import Dataset
from bench.recipe import Technique, apply, combine
from bench.stages.base import Stage
from tests import tiny

CASES = [
    pytest.param(technique, dataset, id=f"{name}-{kind}")
    for name, technique in TECHNIQUES.items()
    for kind, dataset in tiny.DATASETS.items()
    if not technique.not_applicable(dataset.task, dataset.kind)
]


def _fit(recipe, dataset: Dataset, repeats: list[int]) -> training.Fit:
    trials = [tiny.prepared(dataset, recipe, repeat) for repeat in repeats]
    return training.fit(recipe, trials, tiny.outputs(dataset), recipe.steps)


def _same(one: training.Fit, index: int, other: training.Fit, at: int) -> None:
    others = dict(other.network.named_parameters())
    for name, parameter in one.network.named_parameters():
        assert torch.equal(parameter[index], others[name][at]), name


@pytest.mark.parametrize(("technique", "dataset"), CASES)
def test_it_stays_finite_and_a_member_of_a_stack_equals_it_alone(technique: Technique, dataset: Dataset) -> None:
    recipe = apply(tiny.baseline(dataset), combine([technique], dataset.kind))
    stack, alone = _fit(recipe, dataset, [0, 1, 2]), _fit(recipe, dataset, [1])
    assert not stack.diverged.any()
    assert np.isfinite(stack.curve.train).all()
    _same(stack, 1, alone, 0)


@pytest.mark.parametrize(
    ("technique", "dataset"), [case for case in CASES if getattr(case.values[0], "neutral", None) is not None]
)
def test_at_its_neutral_setting_training_is_the_baselines_bit_for_bit(technique: Technique, dataset: Dataset) -> None:
    assert technique.neutral is not None
    base = tiny.baseline(dataset)
    recipe = apply(apply(base, combine([technique], dataset.kind)), technique.neutral)
    _same(_fit(recipe, dataset, [0, 1]), 1, _fit(base, dataset, [0, 1]), 1)


@pytest.mark.parametrize("technique", TECHNIQUES.values(), ids=TECHNIQUES)
def test_it_is_documented_and_says_how_it_is_neutral(technique: Technique) -> None:
    assert technique.claim
    assert technique.source
    assert technique.family
    assert (technique.neutral is None) == bool(technique.why_not), "neutral, or a reason why there is no such setting"
    assert technique.name == technique.name.lower()


@pytest.mark.parametrize("technique", TECHNIQUES.values(), ids=TECHNIQUES)
def test_its_grid_names_fields_that_exist(technique: Technique) -> None:
    fitting = [d for d in tiny.DATASETS.values() if not technique.not_applicable(d.task, d.kind)]
    assert fitting
    for dataset in fitting:
        recipe = apply(tiny.baseline(dataset), combine([technique], dataset.kind))
        for path, values in technique.grid.items():
            assert len(set(map(str, values))) == len(values)
            for value in values:
                apply(recipe, {path: value})


@pytest.mark.parametrize("technique", TECHNIQUES.values(), ids=TECHNIQUES)
def test_every_value_it_sets_is_plain_or_a_stage(technique: Technique) -> None:
    for kind in technique.kinds:
        for value in technique.changes(kind).values():
            items = value if isinstance(value, tuple) else (value,)
            assert all(isinstance(item, (Stage, int, float, str)) for item in items)
