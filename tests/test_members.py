"""Ensembles: what each member draws, what their mean is, what they cost, and what befalls one of them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from bench import members, runner, stacks, training, work
from bench.catalogue import TECHNIQUES
from bench.datasets.base import Data, Dataset
from bench.jobs import Job, Part
from bench.keys import Place, Streams, digest
from bench.plan import Training
from bench.preparation import Prepared, prepare
from bench.progress import Curve, Fit
from bench.recipe import Recipe, apply
from bench.recording import curve_steps, record
from bench.splits import split
from bench.stages.decisions import Rule, to_logits
from bench.stages.optimizers import AdamW
from bench.stages.resampling import OverSample, UnderSample
from bench.stages.stopping import EarlyStopping
from bench.suite import BASELINE
from bench.work import run_job
from tests import tiny

TABLE = tiny.DATASETS["table"]
SEED, FOLDS, MEMBERS = 1, 3, 3


def _recipe(name: str, label: str = "table", **slots) -> tuple[Dataset, Recipe]:
    """Return a dataset and a recipe of three members, by one technique."""
    dataset, base = tiny.CASES[label]
    recipe = apply(dataclasses.replace(base, schedule=None, **slots), {**TECHNIQUES[name].change})
    return dataset, apply(recipe, {"members": MEMBERS})


def _job(dataset: Dataset, recipe: Recipe, folds: Sequence[int] = (0, 1), metric: str = "") -> Job:
    places = tuple(Place(0, fold, 0, f"key {fold}") for fold in folds)
    rules = (("argmax", recipe.decide),) if isinstance(recipe.decide, Rule) else ()
    identity = digest(dataset.identity())
    return Job(
        "0-x",
        SEED,
        dataset,
        identity,
        "tiny",
        "t",
        "t",
        recipe,
        FOLDS,
        places,
        rules,
        {"run": "r"},
        curve_metric=metric,
    )


def _prepared(dataset: Dataset, recipe: Recipe, fold: int, member: int) -> Prepared:
    """Return what one member trains on, prepared by itself."""
    data = dataset.make(SEED, 0)
    parts = split(dataset, data, FOLDS, SEED, 0, fold)
    return prepare(dataset, data, parts, recipe, Streams(SEED, dataset.name, 0, fold, 0, member))


def _alone(dataset: Dataset, recipe: Recipe, fold: int, member: int) -> tuple[Fit, Prepared]:
    """Return one member's training by itself."""
    ready = _prepared(dataset, recipe, fold, member)
    return training.fit(recipe, [ready], tiny.outputs(dataset), recipe.steps), ready


def _state(fit: Fit, column: int) -> dict[str, torch.Tensor]:
    return {name: value[column] for name, value in fit.network.state_dict().items()}


# ---- what a member draws


def test_members_of_an_easy_ensemble_have_all_rare_rows_and_their_own_draw_of_the_others() -> None:
    dataset, recipe = _recipe("easy-ensemble")
    ready = work._make_ready(_job(dataset, recipe), Place(0, 0, 0, "key"))
    own = ready.prepared.own_inputs
    rows = [{row.tobytes() for row in member.inputs} for member in ready.members]
    rare = {row.tobytes() for row in own[ready.prepared.own_targets == 2]}
    for one, member in zip(rows, ready.members, strict=True):
        assert rare < one
        assert np.bincount(member.targets).tolist() == [len(rare)] * 3
        assert one <= {row.tobytes() for row in own}
    assert len({frozenset(one) for one in rows}) == MEMBERS


def test_members_of_balanced_bagging_have_bootstraps_of_their_own() -> None:
    dataset, recipe = _recipe("balanced-bagging")
    ready = work._make_ready(_job(dataset, recipe), Place(0, 0, 0, "key"))
    kept = [{row.tobytes() for row in one.inputs[one.targets == 2]} for one in ready.members]
    rare = int((ready.prepared.own_targets == 2).sum())
    assert len({frozenset(one) for one in kept}) == MEMBERS, "of rare rows, too"
    assert all(len(one) < rare for one in kept), "some are drawn twice, and so some never"
    for member in ready.members:
        assert len(set(np.bincount(member.targets))) == 1


@pytest.mark.parametrize(
    ("label", "technique"),
    [
        *(("table-rows-held-back", name) for name in ("ensemble", "balanced-bagging")),
        *(("image-residual-cnn", name) for name in ("ensemble", "balanced-bagging")),
        ("forecast", "ensemble"),
    ],
)
def test_members_share_split_held_back_rows_and_memory_and_are_as_prepared_alone(label: str, technique: str) -> None:
    dataset, recipe = _recipe(technique, label)
    ready = work._make_ready(_job(dataset, recipe), Place(0, 1, 0, "key"))
    plain = _prepared(dataset, dataclasses.replace(recipe, members=1), 1, 0)
    for number, member in enumerate(ready.members):
        alone = _prepared(dataset, recipe, 1, number)
        for name in ("rows", "inputs", "targets", *members.COMMON):
            np.testing.assert_array_equal(getattr(member, name), getattr(alone, name))
        for name in members.COMMON:
            assert getattr(member, name) is getattr(ready.prepared, name)
            np.testing.assert_array_equal(getattr(member, name), getattr(plain, name))
        assert (member.inputs is member.own_inputs) == (technique == "ensemble")
        assert member.streams == Streams(SEED, dataset.name, 0, 1, 0, number)


@pytest.mark.parametrize("technique", ["ensemble", "easy-ensemble", "balanced-bagging"])
def test_a_member_of_a_stack_equals_it_alone_and_the_first_is_the_plain_trial(technique: str) -> None:
    dataset, recipe = _recipe(technique)
    job = _job(dataset, recipe)
    stack = [work._make_ready(job, place) for place in job.places]
    (fit,) = work._fits(job, stack, recipe.steps, None)
    for fold in (0, 1):
        states = [_state(fit, fold * MEMBERS + member) for member in range(MEMBERS)]
        for member, state in enumerate(states):
            for name, value in _state(_alone(dataset, recipe, fold, member)[0], 0).items():
                assert torch.equal(value, state[name]), name
        plain, _ = _alone(dataset, dataclasses.replace(recipe, members=1), fold, 0)
        for name, value in _state(plain, 0).items():
            assert torch.equal(value, states[0][name]), name
            assert not torch.equal(value, states[1][name]), f"{name}: weights of its own"


# ---- what they say together


@given(st.integers(0, 1000), st.integers(2, 6), st.integers(1, 4), st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_mean_of_members_by_hand(seed: int, classes: int, count: int, regression: bool) -> None:
    rng = np.random.default_rng(seed)
    outputs = [rng.normal(0, 5, (7, classes)).astype(np.float32) for _ in range(2 * count)]
    together = members.averaged(outputs, count, regression)
    assert len(together) == 2
    for trial, found in enumerate(together):
        own = outputs[trial * count : (trial + 1) * count]
        assert found.dtype == np.float32
        if regression:
            np.testing.assert_allclose(found, sum(own) / count, rtol=1e-5, atol=1e-6)
        else:
            mean = sum(softmax(one.astype(float), axis=1) for one in own) / count
            np.testing.assert_allclose(softmax(found.astype(float), axis=1), mean, rtol=1e-4)


def test_one_member_without_finite_outputs_leaves_none() -> None:
    good, bad = np.zeros((2, 3), np.float32), np.full((2, 3), np.inf, np.float32)
    for regression in (False, True):
        assert not np.isfinite(members.averaged([good, bad], 2, regression)[0]).any()


@pytest.mark.parametrize("label", ["table", "series-lstm", "image-residual-cnn"])
def test_stored_logits_are_those_of_the_mean_probability_of_members_trained_alone(label: str) -> None:
    dataset, recipe = _recipe("ensemble", label)
    part = run_job(_job(dataset, recipe))
    assert [(row["status"], row["reason"]) for row in part.runs] == [("ok", "")] * 2
    for fold in (0, 1):
        mean = np.zeros(())
        for member in range(MEMBERS):
            fit, ready = _alone(dataset, recipe, fold, member)
            logits = training.predict(fit.network, [ready.validation_inputs])[0]
            mean = mean + softmax(logits.astype(float), axis=1) / MEMBERS
        (row,) = [row for row in part.logits if (row["key"], row["part"]) == (f"key {fold}", "validation")]
        stored = to_logits(np.frombuffer(row["logits"], np.float16).reshape(-1, row["columns"]))
        np.testing.assert_allclose(softmax(stored, axis=1), mean, rtol=5e-3)


def test_values_of_a_regression_are_averaged_as_they_are() -> None:
    dataset, recipe = _recipe("ensemble", "forecast")
    part = run_job(_job(dataset, recipe, [0]))
    mean = np.zeros(())
    data = dataset.make(SEED, 0)
    for member in range(MEMBERS):
        fit, ready = _alone(dataset, recipe, 0, member)
        outputs = training.predict(fit.network, [ready.scaling.inputs(data.test_inputs)])[0]  # type: ignore[arg-type]
        mean = mean + ready.scaling.restore(outputs) / MEMBERS
    np.testing.assert_allclose(part.labels[0]["values"].reshape(mean.shape), mean, rtol=1e-5, atol=1e-6)


# ---- what they cost


def test_costs_are_those_of_all_members() -> None:
    for label in ("table", "image-residual-cnn"):
        dataset, recipe = _recipe("ensemble", label)
        together = run_job(_job(dataset, recipe)).runs
        plain = run_job(_job(dataset, dataclasses.replace(recipe, members=1))).runs
        for whole, one in zip(together, plain, strict=True):
            for name in ("flops", "examples"):
                assert whole[name] == MEMBERS * one[name]
            assert whole["steps"] == one["steps"]
            assert whole["rows_train"] == one["rows_train"]
        stacks = [rows[0]["stack"] for rows in (together, plain)]
        assert stacks == ([6, 2] if label == "table" else [1, 1]), "networks side by side"


def _made(steps: list[int], seconds: float, prior: float = 0.5, curve: Sequence[int] = (5, 10)) -> Fit:
    columns = len(steps)
    losses = np.arange(columns * len(curve), dtype=float).reshape(columns, -1)
    return Fit(
        network=None,  # type: ignore[arg-type]
        curve=Curve(list(curve), losses, losses + 1),
        steps=np.array(steps),
        stop_step=np.array(steps) - 1,
        diverged=np.array(steps) == 7,
        seconds=seconds,
        evaluate_seconds=2 * seconds,
        resample_seconds=3 * seconds,
        prior=np.full((columns, 2), prior),
    )


def test_members_side_by_side_and_one_after_another_are_added_up_alike() -> None:
    side_by_side = members.joined([_made([10, 8, 7, 10], 1.5)], 2)
    assert side_by_side.member_steps.tolist() == [[10, 8], [7, 10]]
    assert side_by_side.steps.tolist() == [10, 10]
    assert side_by_side.stop_step.tolist() == [9, 9]
    assert side_by_side.diverged.tolist() == [False, True]
    assert side_by_side.member_diverged.tolist() == [[False, False], [True, False]]
    assert side_by_side.seconds == 2 * 1.5, "seconds are per column of the stack, and a trial has two"
    np.testing.assert_allclose(side_by_side.curve.train, [[1, 2], [5, 6]])
    after = members.joined([_made([10], 1.0), _made([8], 3.0, prior=0.25, curve=(5,))], 2)
    assert (after.seconds, after.evaluate_seconds, after.resample_seconds) == (4.0, 8.0, 12.0)
    assert after.curve.steps == [5], "validations that both had"
    np.testing.assert_allclose(after.prior, [[0.375, 0.375]])  # type: ignore[arg-type]


@given(st.floats(0.01, 1), st.integers(1, 7))
def test_what_equal_members_answer_for_is_kept_to_the_bit(share: float, count: int) -> None:
    joined = members.joined([_made([9] * count, 1.0, share)], count)
    np.testing.assert_array_equal(joined.prior, np.full((1, 2), share))  # type: ignore[arg-type]


def test_examples_and_flops_count_the_steps_that_each_member_took() -> None:
    stopping = EarlyStopping(1)
    dataset, recipe = _recipe("ensemble", steps=200, optimizer=AdamW(lr=3e-3), stopping=stopping)
    taken = [int(_alone(dataset, recipe, 0, member)[0].steps[0]) for member in range(MEMBERS)]
    assert len(set(taken)) > 1, "all stopped together: the test shows nothing"
    (row,) = run_job(_job(dataset, recipe, [0])).runs
    assert row["examples"] == 16 * sum(taken)
    assert row["flops"] == 3 * 16 * sum(taken) * recipe.network.flops((8,), 3)
    assert row["steps"] == max(taken)


@dataclass(frozen=True)
class _Plan:
    """As much of a plan as decides which jobs there are."""

    trainings: tuple
    suite: object


@pytest.mark.parametrize("count", [1, 3, 5, 50])
def test_no_stack_holds_more_networks_than_without_members(count: int) -> None:
    recipe = dataclasses.replace(tiny.baseline(TABLE), members=count)
    trials = tuple(Place(repeat, 0, 0, f"key {repeat}") for repeat in range(30))
    plan = _Plan((_training(recipe, trials),), type("Suite", (), {"seed": 1}))
    sizes = [len(job.places) for job in stacks.missing_jobs(plan, (), 0, None)]  # type: ignore[arg-type]
    most = max(1, stacks.STACK // count)
    assert sum(sizes) == 30
    assert max(sizes) <= most
    assert len(sizes) == -(-30 // most), "and no fewer than they can be"


def _training(recipe: Recipe, trials: tuple[Place, ...]) -> Training:
    return Training("t", {"dataset": {}}, TABLE, "tiny", BASELINE, recipe, FOLDS, trials)


def test_the_baseline_is_timed_with_as_many_networks_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it has fewer trials than an ensemble has members, some stand there several times."""
    base = tiny.baseline(TABLE)
    baseline = _training(base, tuple(Place(0, fold, 0, f"key {fold}") for fold in range(3)))
    monkeypatch.setattr(runner, "_baselines", lambda plan: [baseline])
    job = dataclasses.replace(_job(TABLE, dataclasses.replace(base, members=5), [0]), training="another")
    before, own, after = runner.with_probes(None, [job])  # type: ignore[arg-type]
    assert own is job
    for probe in (before, after):
        assert (len(probe.places), probe.recipe.members, probe.probe) == (5, 1, 20)
        (timed,) = run_job(probe).probes
        assert timed["stack"] == run_job(own).runs[0]["stack"] == 5


def test_a_probe_of_an_ensemble_times_all_its_members() -> None:
    for label in ("table", "series-lstm"):
        dataset, recipe = _recipe("ensemble", label)
        (timed,) = run_job(dataclasses.replace(_job(dataset, recipe, [0]), probe=3)).probes
        assert timed["stack"] == (MEMBERS if label == "table" else 1)
        assert timed["cpu_seconds"] > 0


# ---- what befalls them


@pytest.mark.parametrize("label", ["table", "series-lstm", "image-residual-cnn"])
def test_the_test_curve_is_the_ensembles_and_ends_with_its_score(label: str) -> None:
    dataset, recipe = _recipe("ensemble", label)
    part = run_job(_job(dataset, recipe, metric="log_loss"))
    final = {row["key"]: row["log_loss"] for row in part.scores if row["part"] == "test"}
    for row in part.runs:
        assert row["curve_test_step"] == curve_steps(recipe.steps)
        assert row["curve_test_score"][-1] == final[row["key"]]
    shorter = run_job(_job(dataset, dataclasses.replace(recipe, steps=5), metric="log_loss"))
    assert part.runs[0]["curve_test_score"][4] == shorter.runs[0]["curve_test_score"][-1]


def test_a_member_that_stopped_is_in_the_curve_as_it_was_last_in_a_stack_as_alone() -> None:
    stopping, rate = EarlyStopping(1), AdamW(lr=3e-3)
    dataset, recipe = _recipe("ensemble", steps=200, optimizer=rate, stopping=stopping)
    job = _job(dataset, recipe, [0])
    (one,) = stack = [work._make_ready(job, job.places[0])]
    wanted = curve_steps(200)
    together = training.fit(recipe, one.members, 3, 200, snapshots=wanted)
    alone = [training.fit(recipe, [member], 3, 200, snapshots=wanted) for member in one.members]
    assert len({*together.steps.tolist()}) > 1, "all stopped together: the test shows nothing"
    tests = [work._test_rows(one) for one in stack]
    curves = [record(fits, tests, "log_loss", recipe)[0] for fits in ([together], alone)]
    assert curves[0] == curves[1]
    assert curves[0].steps[-1] > min(together.steps)


def _poisoned(monkeypatch: pytest.MonkeyPatch, fold: int, member: int) -> None:
    """Give one member of one trial inputs that no training survives."""
    fit = training.fit

    def spoilt(recipe: Recipe, trials: Sequence[Prepared], *rest, **named) -> Fit:
        hit = Streams(SEED, TABLE.name, 0, fold, 0, member)
        bad = [dataclasses.replace(one, inputs=one.inputs * np.inf) if one.streams == hit else one for one in trials]
        with np.errstate(invalid="ignore"):
            return fit(recipe, bad, *rest, **named)

    monkeypatch.setattr(training, "fit", spoilt)


@pytest.mark.filterwarnings("ignore:invalid value encountered in multiply")
@pytest.mark.parametrize("metric", ["", "log_loss"])
def test_one_member_that_diverges_is_named_and_its_trial_has_diverged(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, recipe = _recipe("ensemble")
    good = run_job(_job(dataset, recipe, metric=metric))
    _poisoned(monkeypatch, fold=1, member=1)
    part = run_job(_job(dataset, recipe, metric=metric))
    (fine, broken) = part.runs
    assert (fine["status"], broken["status"]) == ("ok", "diverged")
    assert broken["reason"].startswith("the loss of member 2 of 3 became non-finite by step ")
    assert int(broken["reason"].split()[-1]) <= recipe.steps
    assert broken["curve_test_step"] == []
    assert fine["curve_validation"] == good.runs[0]["curve_validation"]
    np.testing.assert_equal(part.scores, [row for row in good.scores if row["key"] == "key 0"])


@pytest.mark.parametrize("label", ["table", "series-lstm"])
def test_a_member_that_cannot_train_fails_its_trial_alone(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, recipe = _recipe("easy-ensemble", label)
    refused = Streams(SEED, dataset.name, 0, 0, 0, 2)
    fit = training.fit

    def refusing(recipe: Recipe, trials: Sequence[Prepared], *rest, **named) -> Fit:
        if any(one.streams == refused for one in trials):
            raise ValueError("this member cannot train")
        return fit(recipe, trials, *rest, **named)

    monkeypatch.setattr(training, "fit", refusing)
    ended = [(row["key"], row["status"], row["reason"]) for row in run_job(_job(dataset, recipe)).runs]
    assert sorted(ended) == [("key 0", "failed", "this member cannot train"), ("key 1", "ok", "")]


def test_an_ensemble_is_a_no_op_where_no_members_rows_were_changed() -> None:
    dataset, recipe = _recipe("ensemble")
    for resample, expected in ((OverSample(0.01), True), (UnderSample(1.0), False), (None, False)):
        (row,) = run_job(_job(dataset, dataclasses.replace(recipe, resample=resample), [0])).runs
        assert row["no_op"] == expected


# ---- canaries


class Canary(tiny.TinyTable):
    """The tiny table with some rows changed beyond recognition."""

    name: ClassVar[str] = tiny.TinyTable.name
    validation: ClassVar[bool] = False

    def identity(self) -> dict[str, object]:
        return {"canary": self.validation}

    def make(self, seed: int, repeat: int) -> Data:
        data = super().make(seed, repeat)
        assert data.test_inputs is not None
        assert data.test_targets is not None
        if not self.validation:
            wild = data.test_inputs * 1000 + 7
            return dataclasses.replace(data, test_inputs=wild, test_targets=2 - data.test_targets)
        rows = split(self, data, FOLDS, seed, repeat, 0).validation
        inputs, targets = data.inputs.copy(), data.targets.copy()
        inputs[rows, :5] = inputs[rows, :5] * 1000 + 7
        return dataclasses.replace(data, inputs=inputs, targets=targets)


class ValidationCanary(Canary):
    """Its validation rows are changed."""

    validation = True


def _logits(part: Part) -> dict[str, bytes]:
    return {row["part"]: row["logits"] for row in part.logits if row["key"] == "key 0"}


@pytest.mark.parametrize("technique", ["ensemble", "easy-ensemble", "balanced-bagging"])
@pytest.mark.parametrize("canary", [Canary(), ValidationCanary()], ids=["test rows", "validation rows"])
def test_no_member_reads_a_row_that_it_must_not(technique: str, canary: Canary) -> None:
    _, recipe = _recipe(technique)
    before, after = (_logits(run_job(_job(one, recipe, [0]))) for one in (tiny.TinyTable(), canary))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"validation" if canary.validation else "test"}
