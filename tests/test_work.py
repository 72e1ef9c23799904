"""What one job returns: whatever goes wrong with one trial, or with one rule on it, concerns nothing else."""

import dataclasses
import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from bench import process, training, work
from bench.catalogue import TECHNIQUES
from bench.datasets.base import Data, Dataset
from bench.jobs import Job
from bench.keys import Place, digest
from bench.recipe import apply, combine
from bench.splits import split
from bench.stages.decisions import Rule
from bench.stages.optimizers import AdamW
from bench.stages.stopping import EarlyStopping
from bench.work import lost_job, run_job
from tests import tiny


def job(dataset: Dataset, rules: tuple[str, ...] = ("argmax",), folds: int = 3) -> Job:
    recipe = apply(tiny.baseline(dataset), combine([TECHNIQUES["baseline"]], dataset.kind))
    named = {name: recipe if name == "argmax" else apply(recipe, TECHNIQUES[name].change) for name in rules}
    decide = {name: one.decide for name, one in named.items() if isinstance(one.decide, Rule)}
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
        rules=tuple((name, rule) for name in rules if isinstance(rule := decide[name], Rule)),
        provenance={"run": "r"},
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


class NoneRare(tiny.TinyTable):
    """The tiny table without a row of its rarest class among those that train."""

    name: ClassVar[str] = "tiny-none-rare"

    def make(self, seed: int, repeat: int) -> Data:
        data = super().make(seed, repeat)
        common = data.targets < 2
        return dataclasses.replace(data, inputs=data.inputs[common], targets=data.targets[common])


def test_a_rule_that_cannot_be_fitted_fails_alone() -> None:
    alone, beside = run_job(job(NoneRare())), run_job(job(NoneRare(), ("logit-adjustment", "argmax")))
    assert [row["status"] for row in beside.runs] == ["ok"] * 3
    np.testing.assert_equal([row for row in beside.scores if row["rule"] == "argmax"], alone.scores)
    np.testing.assert_equal([row for row in beside.labels if row["rule"] == "argmax"], alone.labels)
    refused = [row for row in beside.scores if row["rule"] == "logit-adjustment"]
    assert [(row["key"], row["part"]) for row in refused] == [(f"key {fold}", "test") for fold in range(3)]
    assert {row["reason"] for row in refused} == {"class 2 has no training row, so its log prior is undefined"}


def test_a_trial_that_cannot_be_scored_fails_alone_and_nothing_is_trained_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stacks: list[int] = []
    fit, measured = training.fit, work._measured

    def counted(recipe, trials, *rest, **named) -> training.Fit:
        stacks.append(len(trials))
        return fit(recipe, trials, *rest, **named)

    def broken(job: Job, one, *rest) -> dict:
        if one.place.fold == 1:
            raise ValueError("this one cannot be measured")
        return measured(job, one, *rest)

    monkeypatch.setattr(training, "fit", counted)
    monkeypatch.setattr(work, "_measured", broken)
    part = run_job(job(tiny.TinyTable()))
    assert stacks == [3]
    ended = [(row["key"], row["status"], row["reason"]) for row in part.runs]
    assert ended == [("key 0", "ok", ""), ("key 1", "failed", "this one cannot be measured"), ("key 2", "ok", "")]
    assert {row["key"] for row in part.scores} == {row["key"] for row in part.logits} == {"key 0", "key 2"}


def test_a_curve_ends_where_its_trial_stopped_whatever_trained_on_beside_it() -> None:
    recipe = dataclasses.replace(tiny.baseline(tiny.TinyTable(), 200), optimizer=AdamW(lr=1e-2), schedule=None)
    recipe = dataclasses.replace(recipe, stopping=EarlyStopping(patience=2))
    stack = dataclasses.replace(job(tiny.TinyTable()), recipe=recipe)
    rows = run_job(stack).runs
    assert len({row["steps"] for row in rows}) > 1, "all stopped together: the test shows nothing"
    for row, place in zip(rows, stack.places, strict=True):
        (alone,) = run_job(dataclasses.replace(stack, places=(place,))).runs
        assert row["curve_step"][-1] == row["steps"]
        for name in ("curve_step", "curve_train", "curve_validation"):
            assert row[name] == alone[name]


def test_the_first_trial_of_a_worker_is_not_charged_for_importing_a_library() -> None:
    code = (
        "from bench.catalogue import TECHNIQUES\n"
        "from bench.recipe import apply, combine\n"
        "from tests import tiny\n"
        "dataset = tiny.TinyTable()\n"
        "recipe = apply(tiny.baseline(dataset), combine([TECHNIQUES['smote']], dataset.kind))\n"
        "spent = [tiny.prepared(dataset, recipe) for _ in range(2)]\n"
        "print(spent[0].resample_seconds, spent[0].prepare_seconds)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    resample, prepare = map(float, done.stdout.split())
    assert resample < 0.2
    assert prepare < 0.2


def test_a_probe_times_a_stack_and_records_nothing() -> None:
    whole = job(tiny.TinyTable())
    part = run_job(dataclasses.replace(whole, probe=5))
    assert not any((part.runs, part.scores, part.labels, part.logits, part.truths))
    (timed,) = part.probes
    assert (timed["training"], timed["run"], timed["stack"], timed["steps"]) == ("t", "r", 3, 5)
    assert timed["machine"] == process.machine()["machine"]
    assert timed["cpu_seconds"] > 0


def test_a_probe_that_does_not_work_is_silent() -> None:
    broken = dataclasses.replace(job(tiny.TinyTable()), probe=5, folds=1000)
    assert run_job(broken) == lost_job(broken, "killed", "?") == work.Part.empty()
