"""Canaries: rows that a part must not read are changed, and nothing may follow from that.

What is changed is wild (``bench/wild.py``), so that anything fitted on it would show. Real runs have canaries of their
own (``tests/test_traps.py``); here the whole training is gone through.
"""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch

from bench import training
from bench.catalogue import TECHNIQUES
from bench.datasets.base import Data, Dataset
from bench.jobs import Job
from bench.keys import Place, Streams, digest
from bench.preparation import prepare
from bench.recipe import Recipe, Technique, apply, combine
from bench.splits import Split, split
from bench.stages.stopping import EarlyStopping
from bench.wild import wild_inputs, wild_targets
from bench.work import run_job
from tests import tiny

RULES = ("tuned-threshold", "logit-adjustment")
CASES = [
    pytest.param(technique, dataset, recipe, id=f"{name}-{label}")
    for name, technique in TECHNIQUES.items()
    for label, (dataset, recipe) in tiny.CASES.items()
    if not technique.not_applicable(dataset.task, dataset.kind, recipe, dataset.offers())
]


def _other_labels(targets: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return wild_targets(targets, rows, 3)


def _trained(dataset: Dataset, data: Data, parts: Split, recipe: Recipe) -> dict[str, torch.Tensor]:
    ready = prepare(dataset, data, parts, recipe, Streams(1, dataset.name, 0, 0))
    fit = training.fit(recipe, [ready], tiny.outputs(dataset), recipe.steps)
    return dict(fit.network.named_parameters()) | dict(fit.network.named_buffers())


@pytest.mark.parametrize(("technique", "dataset", "base"), CASES)
def test_weights_depend_on_training_rows_and_only_stopping_on_validation_rows(
    technique: Technique, dataset: Dataset, base: Recipe
) -> None:
    recipe = apply(base, combine([technique], dataset.kind))
    data = dataset.make(1, 0)
    parts = split(dataset, data, 3, 1, 0, 0)
    before = _trained(dataset, data, parts, recipe)
    canary = dataclasses.replace(
        data,
        inputs=wild_inputs(data.inputs, parts.validation),
        targets=_other_labels(data.targets, parts.validation),
    )
    after = _trained(dataset, canary, parts, recipe)
    if not isinstance(recipe.stopping, EarlyStopping):
        for name, parameter in before.items():
            assert torch.equal(parameter, after[name]), name


@pytest.mark.parametrize("dataset", tiny.DATASETS.values(), ids=tiny.DATASETS)
def test_rows_that_are_held_back_are_not_read(dataset: Dataset) -> None:
    recipe = dataclasses.replace(tiny.baseline(dataset), rows=0.5)
    data = dataset.make(1, 0)
    parts = split(dataset, data, 3, 1, 0, 0)
    held = np.setdiff1d(parts.train, prepare(dataset, data, parts, recipe, Streams(1, dataset.name, 0, 0)).rows)
    assert len(held)
    canary = dataclasses.replace(data, inputs=wild_inputs(data.inputs, held))
    before, after = (_trained(dataset, rows, parts, recipe) for rows in (data, canary))
    for name, parameter in before.items():
        assert torch.equal(parameter, after[name]), name


class NoTest(tiny.TinyTable):
    """The tiny table without test rows of its own: folds are the test sets."""

    name: ClassVar[str] = "tiny-folds"

    @property
    def has_test(self) -> bool:
        return False


def _job(dataset: Dataset, technique: str) -> Job:
    recipe = apply(tiny.baseline(dataset), combine([TECHNIQUES[technique]], dataset.kind))
    rules = tuple((name, apply(recipe, TECHNIQUES[name].change).decide) for name in RULES)
    places = tuple(Place(0, fold, 0, f"key {fold}") for fold in range(3))
    identity = digest(dataset.identity())
    return Job("000000-x", 1, dataset, identity, "tiny", technique, "t", recipe, 3, places, rules, {})  # type: ignore[arg-type]


@pytest.mark.parametrize("technique", ["baseline", "early-stopping", "smote", "class-weights", "augmentation"])
@pytest.mark.parametrize("own_test", [True, False], ids=["own test rows", "folds are test rows"])
def test_nothing_that_trains_stops_or_decides_reads_a_test_row(technique: str, own_test: bool) -> None:
    dataset = tiny.TinyTable() if own_test else NoTest()
    data = dataset.make(1, 0)
    before = run_job(_job(dataset, technique))

    if own_test:
        assert data.test_inputs is not None
        assert data.test_targets is not None
        everything = np.arange(len(data.test_targets))
        changed = dataclasses.replace(
            data,
            test_inputs=wild_inputs(data.test_inputs, everything),
            test_targets=_other_labels(data.test_targets, everything),
        )
    else:
        held = split(dataset, data, 3, 1, 0, 0).test
        assert held is not None
        changed = dataclasses.replace(data, inputs=wild_inputs(data.inputs, held))

    methods = {
        "make": lambda self, seed, repeat: changed,  # the same rows but for the test rows
        "identity": lambda self: {"canary": technique, "own": own_test},
    }
    canary: Dataset = type("Canary", (type(dataset),), methods)()  # type: ignore[assignment]
    after = run_job(_job(canary, technique))
    for part in ("train", "validation"):
        ours, theirs = (
            {(row["key"], row["rule"]): row for row in made.scores if row["part"] == part and row["key"] == "key 0"}
            for made in (before, after)
        )
        assert len(ours) == len(RULES)
        for name, row in ours.items():
            np.testing.assert_equal({**row}, {**theirs[name]})
    tests = [
        {(row["key"], row["rule"]): row["log_loss"] for row in made.scores if row["part"] == "test"}
        for made in (before, after)
    ]
    assert tests[0] != tests[1], "the canary must reach the test scores, else this shows nothing"


@pytest.mark.parametrize("dataset", [tiny.DATASETS["table"], tiny.DATASETS["forecast"]], ids=["table", "forecast"])
def test_scaling_reads_training_rows_alone(dataset: Dataset) -> None:
    recipe = tiny.baseline(dataset)
    data = dataset.make(1, 0)
    parts = split(dataset, data, 3, 1, 0, 0)
    outside = np.setdiff1d(np.arange(len(data.targets)), parts.train)
    canary = dataclasses.replace(data, inputs=wild_inputs(data.inputs, outside))
    one, other = (prepare(dataset, rows, parts, recipe, Streams(1, "x", 0, 0)) for rows in (data, canary))
    np.testing.assert_array_equal(one.inputs, other.inputs)
    np.testing.assert_array_equal(one.targets, other.targets)
    assert not np.array_equal(one.validation_inputs, other.validation_inputs)
    np.testing.assert_array_equal(one.validation_targets, other.validation_targets)


def test_resampling_adds_nothing_to_the_rows_that_scores_are_measured_on() -> None:
    dataset = tiny.DATASETS["table"]
    plain = tiny.prepared(dataset, tiny.baseline(dataset))
    recipe = apply(tiny.baseline(dataset), TECHNIQUES["smote"].change)
    sampled = tiny.prepared(dataset, recipe)
    assert len(sampled.targets) > len(plain.targets)
    np.testing.assert_array_equal(sampled.own_inputs, plain.own_inputs)
    np.testing.assert_array_equal(sampled.validation_inputs, plain.validation_inputs)
    assert not sampled.no_op


def test_a_resampler_that_changes_nothing_is_marked() -> None:
    dataset = tiny.DATASETS["table"]
    recipe = apply(tiny.baseline(dataset), {**TECHNIQUES["over-sampling"].change})
    recipe = apply(recipe, {"resample.ratio": 0.01})
    assert tiny.prepared(dataset, recipe).no_op
