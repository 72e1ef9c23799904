"""Classifiers of a second stage: the rest of the network stays as it was, the head is what plain torch makes of it."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench import training
from bench.catalogue import TECHNIQUES
from bench.datasets.base import Dataset
from bench.jobs import Job
from bench.keys import Place, digest
from bench.networks.image_specs import ResidualCnn
from bench.networks.specs import Gru, Mlp
from bench.prediction import features
from bench.preparation import Prepared
from bench.recipe import Recipe, apply
from bench.recording import curve_steps
from bench.stages.batching import Balanced
from bench.stages.decisions import Argmax
from bench.stages.finishing import TauNorm
from bench.stages.optimizers import AdamW
from bench.stages.schedules import Cosine
from bench.stages.updates import MaxNorm
from bench.work import run_job
from tests import tiny

STEPS, START = 20, 16
CASES: dict[str, tuple[Dataset, Recipe]] = {
    label: (dataset, dataclasses.replace(recipe, steps=STEPS))
    for label, (dataset, recipe) in tiny.CASES.items()
    if dataset.task == "classification"
}
for label, network in (
    ("table", Mlp(9, 2, dropout=0.3, normalisation="batch")),
    ("series", Gru(6, normalisation="batch")),
    ("image-residual-cnn", ResidualCnn(width=4, groups=2, precision="bfloat16")),
):
    CASES[f"{label}-{'bfloat16' if label.startswith('image') else 'batch-norm'}"] = (
        CASES[label][0],
        dataclasses.replace(CASES[label][1], network=network),
    )


def _with(recipe: Recipe, name: str) -> Recipe:
    return apply(recipe, {**TECHNIQUES[name].change})


def _fit(recipe: Recipe, dataset: Dataset, steps: int | None = None, **options) -> tuple[training.Fit, list[Prepared]]:
    trials = [tiny.prepared(dataset, recipe, repeat) for repeat in range(2 if recipe.network.stacks else 1)]
    return training.fit(recipe, trials, 3, steps or recipe.steps, **options), trials


def _state(fit: training.Fit) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in fit.network.state_dict().items()}


@pytest.mark.parametrize("technique", ["crt", "lws"])
@pytest.mark.parametrize("label", CASES)
def test_the_rest_of_the_network_is_that_of_a_training_cut_off_where_the_phase_begins(
    label: str, technique: str
) -> None:
    dataset, base = CASES[label]
    plain, _ = _fit(dataclasses.replace(base, steps=START), dataset)
    second, _ = _fit(_with(base, technique), dataset)
    after = _state(second)
    trained = "head." if technique == "crt" else "head.scale"
    for name, value in _state(plain).items():
        assert torch.equal(value, after[name]) != name.startswith(trained), name
    assert ("head.scale" in after) == (technique == "lws")
    assert technique == "crt" or (after["head.scale"] != 1).any()


def test_frozen_weights_stay_where_updates_would_change_every_weight() -> None:
    """A limit that is lowered in the phase would shrink the head, were it not frozen."""
    dataset, base = CASES["table"]
    (lws,) = TECHNIQUES["lws"].change["phases"]
    lws = dataclasses.replace(lws, change={**lws.change, "updates": (MaxNorm(1e-3),)})
    plain, _ = _fit(dataclasses.replace(base, steps=START), dataset)
    after = _state(_fit(dataclasses.replace(base, phases=(lws,)), dataset)[0])
    for name, value in _state(plain).items():
        assert torch.equal(value, after[name]), name
    (crt,) = TECHNIQUES["crt"].change["phases"]
    crt = dataclasses.replace(crt, change={**crt.change, "updates": (MaxNorm(1e-3),)})
    limited = _state(_fit(dataclasses.replace(base, phases=(crt,)), dataset)[0])
    assert (limited["head.weight"].norm(dim=1) < 1.001e-3).all(), "what does train is limited"
    assert limited["hidden.0.weight"].norm() > 1


def _at_start(base: Recipe, technique: str) -> tuple[training.Fit, list[Prepared], training.Fit]:
    """Return the first stage by itself, its trials, and both stages."""
    dataset = CASES["table"][0]
    first, trials = _fit(dataclasses.replace(base, steps=START), dataset)
    return first, trials, _fit(_with(base, technique), dataset)[0]


def _rates(optimizer: torch.optim.Optimizer, recipe: Recipe, step: int) -> None:
    assert recipe.schedule is not None
    for group in optimizer.param_groups:
        group["lr"] = recipe.optimizer.lr * recipe.schedule.factor(step, STEPS - START)


@pytest.mark.parametrize("technique", ["crt", "lws"])
def test_the_second_stage_is_a_plain_torch_layer_trained_on_frozen_features(technique: str) -> None:
    base = dataclasses.replace(CASES["table"][1], optimizer=AdamW(lr=0.03, weight_decay=0.1), schedule=Cosine())
    first, trials, both = _at_start(base, technique)
    state, after = _state(first), _state(both)
    inputs = features(first.network, [trial.inputs for trial in trials])
    for place, trial in enumerate(trials):
        head, scale = nn.Linear(9, 3), nn.Parameter(torch.ones(3))
        head.weight.data, head.bias.data = state["head.weight"][place].t().clone(), state["head.bias"][place, 0].clone()
        groups: list[dict] = [{"params": [scale], "weight_decay": 0.0}]
        if technique == "crt":
            drawn = trial.streams.torch("new head")
            head.weight.data = torch.empty(9, 3).uniform_(-1 / 3, 1 / 3, generator=drawn).t().clone()
            head.bias.data = torch.empty(3).uniform_(-1 / 3, 1 / 3, generator=drawn)
            groups = [{"params": [head.weight], "weight_decay": 0.1}, {"params": [head.bias], "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=0.03)
        draw = Balanced().start(trial.targets, len(trial.targets), 16, trial.streams.numpy(f"batches {technique}"), 4)
        for step, rows in enumerate(draw(4)):
            _rates(optimizer, base, step)
            optimizer.zero_grad()
            logits = head(torch.from_numpy(inputs[place][rows])) * scale
            nn.functional.cross_entropy(logits, torch.from_numpy(trial.targets[rows])).backward()
            optimizer.step()
        assert torch.allclose(after["head.weight"][place], head.weight.t(), atol=1e-6)
        assert torch.allclose(after["head.bias"][place, 0], head.bias, atol=1e-6)
        if technique == "lws":
            assert torch.allclose(after["head.scale"][place, 0], scale, atol=1e-6)


@pytest.mark.parametrize("technique", ["crt", "lws"])
def test_after_balanced_batches_the_outputs_answer_for_equal_shares(technique: str) -> None:
    dataset, base = CASES["table"]
    fit, trials = _fit(_with(base, technique), dataset)
    assert fit.prior is not None
    np.testing.assert_allclose(fit.prior, 1 / 3)
    for trial in trials:
        assert trial.row_prior is not None
        assert trial.row_prior.max() > 0.5
    plain, _ = _fit(base, dataset)
    np.testing.assert_array_equal(plain.prior, [trial.row_prior for trial in trials])  # type: ignore[arg-type]


@given(st.floats(0, 3), st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_tau_norm_divides_each_classs_weights_by_their_norm_to_the_power_tau(tau: float, seed: int) -> None:
    dataset, base = CASES["table"]
    fit, trials = _fit(dataclasses.replace(base, steps=1), dataset)
    head, draws = fit.network.linear_head(), np.random.default_rng(seed)
    weights, biases = draws.normal(0, 2, (2, 9, 3)).astype(np.float32), draws.normal(size=(2, 1, 3))
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weights))
        head.bias.copy_(torch.from_numpy(biases))
    before = _state(fit)
    inputs = [trial.validation_inputs for trial in trials]
    TauNorm(tau).finish(fit.network)
    for place, (given_features, logits) in enumerate(
        zip(features(fit.network, inputs), training.predict(fit.network, inputs), strict=True)
    ):
        expected = np.empty_like(logits, dtype=float)
        for label in range(3):
            own = weights[place, :, label].astype(float)
            expected[:, label] = given_features @ (own / np.linalg.norm(own) ** tau)
            expected[:, label] += biases[place, 0, label] if tau == 0 else 0
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    for name, value in _state(fit).items():
        assert name.startswith("head") or torch.equal(value, before[name]), name


def test_at_tau_one_all_classes_have_weights_of_one_length_and_rows_of_zeros_stay() -> None:
    fit, _ = _fit(_with(CASES["table"][1], "tau-norm"), CASES["table"][0])
    TauNorm(1.0).finish(fit.network)
    head = fit.network.linear_head()
    assert torch.allclose(head.weight.norm(dim=1), torch.ones(2, 3))
    with torch.no_grad():
        head.weight[:, :, 0] = 0
    TauNorm(0.7).finish(fit.network)
    assert (head.weight[:, :, 0] == 0).all()
    assert torch.isfinite(head.weight).all()


@pytest.mark.parametrize("technique", ["lws", "tau-norm"])
def test_a_head_that_is_not_linear_is_refused_before_anything_is_trained(
    technique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it trained")

    monkeypatch.setattr("bench.course.Running.descend", never)
    recipe = _with(apply(CASES["table"][1], {"network.head": "cosine"}), technique)
    with pytest.raises(ValueError, match="needs a network whose head is linear"):
        _fit(recipe, CASES["table"][0])
    neutral = apply(recipe, {"finish.tau": 0.0}) if technique == "tau-norm" else None
    if neutral is not None:
        with pytest.raises(AssertionError, match="it trained"):
            _fit(neutral, CASES["table"][0])


@pytest.mark.parametrize("technique", ["crt", "lws", "tau-norm"])
@pytest.mark.parametrize("label", ["table", "image-residual-cnn"])
def test_the_test_curve_is_that_of_trainings_that_end_on_the_way(label: str, technique: str) -> None:
    """The last point is the stored score; for tau-norm a point on the way is that of a training cut off there."""
    dataset, base = CASES[label]
    base = dataclasses.replace(base, schedule=None)
    recipe, places, identity = _with(base, technique), (Place(0, 0, 0, "key"),), digest(dataset.identity())
    job = Job("0-x", 1, dataset, identity, "tiny", "t", "t", recipe, 3, places, (("argmax", Argmax()),), {})
    job = dataclasses.replace(job, curve_metric="log_loss")
    part = run_job(job)
    (row,) = part.runs
    assert (row["status"], row["reason"]) == ("ok", "")
    (final,) = [score["log_loss"] for score in part.scores if score["part"] == "test"]
    assert row["curve_test_step"] == curve_steps(STEPS)
    assert row["curve_test_score"][-1] == final
    if technique == "tau-norm":
        shorter = run_job(dataclasses.replace(job, recipe=dataclasses.replace(recipe, steps=10)))
        assert row["curve_test_score"][9] == shorter.runs[0]["curve_test_score"][-1]
