"""What one job returns: whatever goes wrong with one trial, or with one rule on it, concerns nothing else."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from bench import training
from bench.catalogue import TECHNIQUES
from bench.datasets.base import Data, Dataset
from bench.keys import digest
from bench.recipe import apply, combine
from bench.splits import split
from bench.work import Job, Place, run_job
from tests import tiny


def job(dataset: Dataset, rules: tuple[str, ...] = ("argmax",), folds: int = 3) -> Job:
    recipe = apply(tiny.baseline(dataset), combine([TECHNIQUES["baseline"]], dataset.kind))
    decide = {name: apply(recipe, TECHNIQUES[name].change).decide for name in rules if name != "argmax"}
    decide["argmax"] = recipe.decide
    return Job(
        part="000000-x",
        seed=1,
        dataset=dataset,
        identity=digest(dataset.identity()),
        dataset_label="tiny",
        technique_label="baseline",
        training="t",
        recipe=recipe,
        folds=3,
        places=tuple(Place(0, fold, 0, f"key {fold}") for fold in range(folds)),
        rules=tuple((name, decide[name]) for name in rules),
        provenance={},
    )


@dataclass(frozen=True)
class Gappy(tiny.TinyTable):
    """The tiny table whose folds are the test sets; one row of the first test fold lacks a number."""

    name: ClassVar[str] = "tiny-gappy"
    value: float = float("nan")

    @property
    def has_test(self) -> bool:
        return False

    def identity(self) -> dict[str, object]:
        return {"name": self.name}

    def make(self, seed: int, repeat: int) -> Data:
        data = super().make(seed, repeat)
        held = split(self, data, 3, seed, repeat, 0).test
        assert held is not None
        inputs = data.inputs.copy()
        inputs[held[0], 1] = self.value
        return dataclasses.replace(data, inputs=inputs)


def test_a_number_that_only_test_rows_lack_is_filled_in() -> None:
    part = run_job(job(Gappy()))
    assert [(row["status"], row["reason"]) for row in part.runs] == [("ok", "")] * 3


def test_outputs_that_are_not_finite_are_told_apart_from_a_loss_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    predict = training.predict

    def overflowing(network, inputs, device=None) -> list[np.ndarray]:
        outputs = predict(network, inputs, device)
        if len(outputs[0]) == 60:  # the test rows
            outputs[1][5] = np.inf
        return outputs

    monkeypatch.setattr(training, "predict", overflowing)
    ended = [(row["status"], row["reason"]) for row in run_job(job(tiny.TinyTable())).runs]
    assert ended == [("ok", ""), ("diverged", "the loss stayed finite, but outputs on test rows are not"), ("ok", "")]
