"""Phases: nothing changes but what a phase changes, and that against plain trainings by hand."""

import dataclasses
import functools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bench import training
from bench.catalogue import TECHNIQUES
from bench.describing import shown
from bench.errors import UsageError
from bench.jobs import Job
from bench.keys import Place, digest
from bench.networks.specs import Mlp
from bench.preparation import Prepared
from bench.recipe import Recipe, apply
from bench.records import passes
from bench.stages.averaging import Ema, Swa
from bench.stages.batching import Balanced
from bench.stages.losses import CrossEntropy, Focal, LogitAdjusted
from bench.stages.optimizers import AdamW, Sgd
from bench.stages.perturbations import Sam
from bench.stages.phases import Phase
from bench.stages.schedules import Cosine
from bench.stages.stopping import EarlyStopping
from bench.stages.updates import ClipNorm
from bench.suitefile import load_suite
from bench.work import run_job
from tests import reference, tiny

TABLE = tiny.DATASETS["table"]
WEIGHTED = CrossEntropy("balanced", "weighted-mean")
State = dict[str, torch.Tensor]


def _recipe(*phases: Phase, steps: int = 20, **slots) -> Recipe:
    plain = dataclasses.replace(tiny.baseline(TABLE, steps), optimizer=AdamW(lr=1e-2, weight_decay=0.1), schedule=None)
    return dataclasses.replace(plain, phases=phases, **slots)


def _fit(recipe: Recipe, repeats: int = 2, dataset=TABLE, **options) -> training.Fit:
    trials = [tiny.prepared(dataset, recipe, repeat) for repeat in range(repeats)]
    return training.fit(recipe, trials, tiny.outputs(dataset), recipe.steps, **options)


def _state(fit: training.Fit) -> State:
    return {name: value.detach().clone() for name, value in fit.network.state_dict().items()}


def _same(one: State, other: State, but: str = "\n") -> None:
    for name, value in one.items():
        assert name.startswith(but) or torch.equal(value, other[name]), name


def _different(one: State, other: State) -> bool:
    return any(not torch.equal(value, other[name]) for name, value in one.items())


# ---- what a phase leaves alone


@pytest.mark.parametrize("label", tiny.CASES)
def test_a_phase_that_changes_nothing_is_no_phase_to_the_bit(label: str) -> None:
    dataset, plain = tiny.CASES[label]
    plain = apply(plain, {"network.dropout": 0.3, "updates": ClipNorm(0.5)})
    plain = dataclasses.replace(plain, schedule=Cosine(0.1))
    idle = Phase("idle", 0.4, {"loss": plain.loss})
    fits = []
    for phases in ((), (Phase("none", 0.2), idle)):
        recipe = dataclasses.replace(plain, phases=phases)
        fits.append(_fit(recipe, 2 if plain.network.stacks else 1, dataset))
    _same(_state(fits[0]), _state(fits[1]))
    np.testing.assert_array_equal(fits[0].curve.validation, fits[1].curve.validation)
    np.testing.assert_equal(fits[0].prior, fits[1].prior)


PHASES = {
    "deferred": (Phase("deferred", 0.5, {"loss": WEIGHTED, "batches": Balanced()}),),
    "reset": (Phase("reset", 0.3, {"loss": Focal(), "optimizer.lr": 0.05}, reset=True),),
    "head, then all": (Phase("head", 0.3, part="head", fresh=True), Phase("all", 0.7, {"loss": WEIGHTED})),
    "scales, then head": (Phase("scales", 0.3, part="scales"), Phase("head", 0.7, {"batches": Balanced()}, "head")),
}


@pytest.mark.parametrize("name", PHASES)
def test_a_trial_in_phases_is_the_same_alone_and_in_a_stack(name: str) -> None:
    recipe = _recipe(*PHASES[name], network=Mlp(9, 2, dropout=0.3, normalisation="batch"), schedule=Cosine())
    stack, alone = _fit(recipe, 3), _fit(recipe, 1)
    for key, value in _state(alone).items():
        assert torch.equal(value[0], _state(stack)[key][0]), key
    assert alone.prior is not None
    assert stack.prior is not None
    np.testing.assert_array_equal(alone.prior[0], stack.prior[0])


def test_up_to_its_start_a_phase_changes_nothing_and_from_there_on_something() -> None:
    plain = _fit(_recipe(), snapshots=(10, 11))
    deferred = _fit(_recipe(*PHASES["deferred"]), snapshots=(10, 11))
    _same(plain.snapshots[0][1], deferred.snapshots[0][1])
    assert _different(plain.snapshots[1][1], deferred.snapshots[1][1])


# ---- by hand


def _plain_model(recipe: Recipe, trial: Prepared) -> nn.Sequential:
    context = training._context(recipe, [trial], 3, torch.device("cpu"))
    return reference.mlp_like(recipe.network.build(trial.inputs.shape[1:], context))


def _adamw(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    weights, biases = ([p for p in model.parameters() if (p.dim() > 1) == weighty] for weighty in (True, False))
    return torch.optim.AdamW([{"params": weights, "weight_decay": 0.1}, {"params": biases, "weight_decay": 0}], rate)


def _balanced_weights(trial: Prepared) -> torch.Tensor:
    counts = np.bincount(trial.targets)
    return torch.tensor(len(trial.targets) / (3 * counts), dtype=torch.float32)


def _cosine(steps: int) -> Callable[[int], float]:
    return lambda step: 0.5 * (1 + math.cos(math.pi * step / steps))


@pytest.mark.parametrize("reset", [False, True], ids=["goes on", "begins anew"])
def test_a_deferred_change_is_the_plain_trainer_whose_loss_is_changed(reset: bool) -> None:
    """Kept, optimizer state, schedule and order of batches go on; begun anew, the schedule spans what is left."""
    change = {"loss": WEIGHTED} | ({"optimizer.lr": 0.02} if reset else {})
    recipe = _recipe(Phase("later", 0.5, change, reset=reset), schedule=Cosine())
    fit = _fit(recipe)
    for place in range(2):
        trial = tiny.prepared(TABLE, recipe, place)
        model = _plain_model(recipe, trial)
        order = reference.epochs_of_batches(trial.streams.numpy("batches"), len(trial.inputs), 16, 20)
        losses = nn.CrossEntropyLoss(), nn.CrossEntropyLoss(weight=_balanced_weights(trial))
        optimizer, schedule = _adamw(model, 1e-2), _cosine(10 if reset else 20)
        reference.train(model, optimizer, trial.inputs, trial.targets, order[:10], losses[0], schedule)
        gone = 0 if reset else 10
        if reset:
            optimizer = _adamw(model, 0.02)
        for group in optimizer.param_groups:
            group["lr"] = 0.02 if reset else 1e-2
        later = functools.partial(lambda schedule, gone, step: schedule(step + gone), schedule, gone)
        reference.train(model, optimizer, trial.inputs, trial.targets, order[10:], losses[1], later)
        with torch.no_grad():
            expected = model(torch.from_numpy(trial.validation_inputs)).numpy()
        rows = [tiny.prepared(TABLE, recipe, repeat).validation_inputs for repeat in range(2)]
        np.testing.assert_allclose(training.predict(fit.network, rows)[place], expected, atol=2e-5)


def test_batches_that_a_phase_changes_come_from_a_stream_of_its_own() -> None:
    recipe = _recipe(Phase("even", 0.5, {"batches": Balanced()}))
    fit, trial = _fit(recipe, 1), tiny.prepared(TABLE, recipe)
    model, loss = _plain_model(recipe, trial), nn.CrossEntropyLoss()
    order = reference.epochs_of_batches(trial.streams.numpy("batches"), len(trial.inputs), 16, 10)
    even = Balanced().start(trial.targets, len(trial.targets), 16, trial.streams.numpy("batches even"), 10)(10)
    optimizer = _adamw(model, 1e-2)
    reference.train(model, optimizer, trial.inputs, trial.targets, np.concatenate([order, even]), loss)
    with torch.no_grad():
        expected = model(torch.from_numpy(trial.validation_inputs)).numpy()
    np.testing.assert_allclose(training.predict(fit.network, [trial.validation_inputs])[0], expected, atol=2e-5)


# ---- when


@given(st.integers(1, 60), st.lists(st.floats(0.001, 0.999), min_size=1, max_size=4, unique=True))
@settings(max_examples=100, deadline=None)
def test_phases_keep_their_order_and_the_last_has_a_step(steps: int, shares: list[float]) -> None:
    phases = tuple(Phase(f"p{number}", share) for number, share in enumerate(sorted(shares)))
    starts = _recipe(*phases).starts(steps)
    assert starts[0] == 0
    assert list(starts) == sorted(starts)
    assert starts[-1] < steps
    for share, start in zip(sorted(shares), starts[1:], strict=True):
        assert abs(start - share * steps) <= 0.5 or start == steps - 1


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_few_steps_break_nothing(steps: int) -> None:
    """Two phases share a step, one rounds to the first step, one past the last."""
    phases = (
        Phase("a", 0.05, {"loss": Focal()}),
        Phase("b", 0.4, {"batches": Balanced()}, part="head", fresh=True),
        Phase("c", 0.45, part="scales"),
        Phase("d", 0.95, {"loss": WEIGHTED}),
    )
    fit = _fit(_recipe(*phases, steps=steps))
    assert not fit.diverged.any()
    assert fit.prior is not None
    np.testing.assert_allclose(fit.prior, 1 / 3)


def test_the_last_of_phases_that_share_their_first_step_is_what_runs() -> None:
    both = (Phase("a", 0.50, {"loss": Focal()}), Phase("b", 0.51, {"loss": WEIGHTED}))
    _same(_state(_fit(_recipe(*both))), _state(_fit(_recipe(Phase("c", 0.5, {"loss": WEIGHTED})))))


# ---- with what else watches or changes a training


def test_what_the_outputs_answer_for_follows_the_weights_that_early_stopping_keeps() -> None:
    recipe = _recipe(
        Phase("later", 0.3, {"loss": LogitAdjusted()}), steps=100, optimizer=AdamW(lr=3e-2), stopping=EarlyStopping(2)
    )
    trials = [tiny.prepared(TABLE, recipe, repeat) for repeat in range(8)]
    fit = training.fit(recipe, trials, 3, 100)
    assert fit.prior is not None
    before = fit.stop_step <= 30
    assert before.any(), "none kept weights from before the phase: the test shows nothing"
    assert (~before).any(), "none kept weights of the phase: the test shows nothing"
    for trial, prior, early in zip(trials, fit.prior, before, strict=True):
        assert trial.row_prior is not None
        np.testing.assert_allclose(prior, trial.row_prior if early else np.full(3, 1 / 3))


def test_early_stopping_ends_a_training_within_a_phase_as_the_same_training_without_it_shows() -> None:
    phases, rate = PHASES["deferred"], AdamW(lr=3e-2)
    full = _fit(_recipe(*phases, steps=100, optimizer=rate), 4)
    stopped = _fit(_recipe(*phases, steps=100, optimizer=rate, stopping=EarlyStopping(2)), 4, snapshots=range(101))
    assert (stopped.stop_step != 100).any()
    for place, (losses, last) in enumerate(zip(full.curve.validation, stopped.steps, strict=True)):
        seen = [loss for loss, step in zip(losses, full.curve.steps, strict=True) if step <= last]
        assert full.curve.steps[int(np.argmin(seen))] == stopped.stop_step[place]
        kept = dict(stopped.snapshots)[int(stopped.stop_step[place])]
        for name, value in _state(stopped).items():
            assert torch.equal(value[place], kept[name][place]), name


@pytest.mark.parametrize("name", PHASES)
def test_snapshots_change_nothing_and_the_last_is_the_end(name: str) -> None:
    recipe = _recipe(*PHASES[name])
    plain, watched = _fit(recipe), _fit(recipe, snapshots=range(1, 21))
    _same(_state(plain), _state(watched))
    assert [step for step, _ in watched.snapshots] == list(range(1, 21))
    _same(watched.snapshots[-1][1], _state(watched))


def test_an_average_goes_on_through_a_phase_of_the_whole_network() -> None:
    phases = PHASES["deferred"]
    running = _fit(_recipe(*phases), snapshots=range(1, 21))
    averaged = _state(_fit(_recipe(*phases, stopping=Swa(0.25))))
    for name, value in averaged.items():
        mean = torch.stack([state[name] for step, state in running.snapshots if step > 5]).mean(0)
        assert torch.allclose(value, mean, atol=1e-6), name


@pytest.mark.parametrize("stopping", [Swa(0.2), Ema(0.9)], ids=["swa", "ema"])
def test_an_average_of_a_new_head_has_nothing_of_the_old_and_leaves_the_body_alone(stopping: Swa | Ema) -> None:
    network = Mlp(9, 2, normalisation="batch")
    head = Phase("head", 0.5, {"batches": Balanced()}, part="head", fresh=True)
    running = _fit(_recipe(head, network=network), snapshots=range(1, 21))
    averaged = _state(_fit(_recipe(head, network=network, stopping=stopping)))
    _same(averaged, _state(running), but="head")
    for name in ("head.weight", "head.bias"):
        own = [state[name] for step, state in running.snapshots if step > 10]
        expected = torch.stack(own).mean(0) if isinstance(stopping, Swa) else own[0]
        for updates, weights in enumerate(own[1:] if isinstance(stopping, Ema) else [], start=1):
            decay = min(0.9, (1 + updates) / (10 + updates))
            expected = decay * expected + (1 - decay) * weights
        assert torch.allclose(averaged[name], expected, atol=1e-6), name


def test_sam_goes_on_through_phases_and_touches_no_frozen_weight() -> None:
    sam = _recipe(updates=(Sam(0.1),))
    idle = dataclasses.replace(sam, phases=(Phase("idle", 0.5, {"loss": sam.loss}),))
    _same(_state(_fit(sam)), _state(_fit(idle)))
    head = dataclasses.replace(sam, phases=(Phase("head", 0.5, part="head"),))
    fit = _fit(head, snapshots=(10, 20))
    _same(fit.snapshots[0][1], fit.snapshots[1][1], but="head")
    assert _different(_state(fit), _state(_fit(dataclasses.replace(head, updates=()))))
    late = dataclasses.replace(_recipe(Phase("late", 0.5, {"updates": (Sam(0.1),)})))
    assert _different(_state(_fit(late)), _state(_fit(_recipe())))


def test_scales_train_in_their_own_phase_alone() -> None:
    phases = (Phase("scales", 0.2, part="scales"), Phase("head", 0.4, part="head"), Phase("all", 0.7))
    fit = _fit(_recipe(*phases), snapshots=(4, 8, 14, 20))
    states = [state for _, state in fit.snapshots]
    assert (states[0]["head.scale"] == 1).all()
    assert (states[1]["head.scale"] != 1).all()
    for state in states[2:]:
        assert torch.equal(state["head.scale"], states[1]["head.scale"])
    _same(states[0], states[1], but="head.scale")
    _same(states[1], states[2], but="head")
    assert _different(states[2], states[3])
    assert all(not torch.equal(states[2][name], states[3][name]) for name in states[2] if name != "head.scale")


# ---- what is said of them


REFUSED = {
    "phase 'b' must start after 0.5 of the steps, got 0.5": (Phase("a", 0.5), Phase("b", 0.5)),
    "phase 'b' must start after 0.5 of the steps, got 0.2": (Phase("a", 0.5), Phase("b", 0.2)),
    "two phases are called 'a'": (Phase("a", 0.5), Phase("a", 0.7)),
    "phase 'a': 'loss.gama': unknown field of cross-entropy 'gama'": (Phase("a", 0.5, {"loss.gama": 1.0}),),
    "phase 'a': 'loss.weights': weights must be one of": (Phase("a", 0.5, {"loss.weights": "odd"}),),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_phases_that_do_not_fit_are_refused_with_their_name(sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        _recipe(*REFUSED[sentence])
    with pytest.raises(UsageError, match=f"'phases': {sentence}"):
        apply(_recipe(), {"phases": REFUSED[sentence]})


def test_what_a_phase_cannot_be_is_refused() -> None:
    for sentence, made in {
        "start must be above 0 and below 1, got 1": lambda: Phase("a", 1),
        "part must be one of all, head, scales, got 'body'": lambda: Phase("a", 0.5, part="body"),  # type: ignore[arg-type]
        "a phase cannot change 'network'": lambda: Phase("a", 0.5, {"network.dropout": 0.5}),
        "must begin it anew: set 'reset'": lambda: Phase("a", 0.5, {"optimizer": Sgd()}),
        "only a phase of the head gives it new weights": lambda: Phase("a", 0.5, fresh=True),
        "a phase of head cannot change 'mix'": lambda: Phase("a", 0.5, {"mix": None}, part="head"),
        "a phase of all cannot change 'resample'": lambda: Phase("a", 0.5, {"resample": None}),
    }.items():
        with pytest.raises(ValueError, match=sentence):
            made()


def test_whatever_is_listed_first_a_phase_finds_the_slots_that_it_changes() -> None:
    phase = Phase("later", 0.5, {"loss.gamma": 1.0})
    for change in ({"phases": phase, "loss": Focal()}, {"loss": Focal(), "phases": phase}):
        assert apply(_recipe(), change).in_phases()[1].loss == Focal(1.0)


SUITE = """question: Does it?
seed: 1
datasets: [sine-events]
techniques:
  - baseline
  - {use: crt, set: {phases.crt.start: %s}}
  - {use: %s, name: together}
"""


@pytest.mark.parametrize(
    ("start", "use", "complaint"),
    [
        ("1.5", "crt", ":6:40: 'phases.crt.start': start must be above 0 and below 1, got 1.5 (on"),
        ("0.5\n    , phases.crt.loss.gamma: 1", "crt", ":7:30: 'phases.crt.loss.gamma': phase 'crt': 'loss.gamma'"),
        ("0.5", "[crt, lws]", ":7:11: 'phases': phase 'lws' must start after 0.8 of the steps, got 0.8 (on"),
    ],
)
def test_a_suite_file_is_told_where_a_phase_does_not_fit(tmp_path: Path, start: str, use: str, complaint: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(SUITE % (start, use), encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        load_suite(path)
    assert str(raised.value).startswith(f"{path}{complaint}")


def test_a_phase_is_shown_in_words() -> None:
    assert shown(TECHNIQUES["crt"].change["phases"]) == (
        "crt (from 0.8 of the steps: head alone, with new weights; batches = balanced())"
    )
    later = Phase("later", 0.25, {"loss.gamma": 1.0, "optimizer.lr": 0.5}, reset=True)
    assert shown(later) == "later (from 0.25 of the steps: optimizer begins anew; loss.gamma = 1.0; optimizer.lr = 0.5)"
    assert shown(Phase("idle", 0.5)) == "idle (from 0.5 of the steps)"


# ---- what they cost


@pytest.mark.parametrize(
    ("phases", "taken", "expected"),
    [
        ((), 20, 3 * 20 * 16),
        ((), 7, 3 * 7 * 16),
        (PHASES["deferred"], 20, 3 * 20 * 16),
        ((Phase("head", 0.8, part="head"),), 20, 3 * 16 * 16 + 1),
        ((Phase("head", 0.8, part="head"),), 16, 3 * 16 * 16),
        ((Phase("head", 0.8, part="head"),), 17, 3 * 16 * 16 + 1),
        ((Phase("head", 0.3, part="head"), Phase("all", 0.5)), 20, 3 * (6 + 10) * 16 + 1),
        ((Phase("head", 0.3, part="head"), Phase("scales", 0.5, part="scales")), 20, 3 * 6 * 16 + 2),
    ],
)
def test_passes_against_counts_by_hand(phases: tuple[Phase, ...], taken: int, expected: int) -> None:
    """A step there and back is three passes of 16 rows; a phase of the head alone is one over all rows, here one."""
    recipe = _recipe(*phases)
    assert recipe.batch_size == 16
    one = dataclasses.replace(tiny.prepared(TABLE, recipe), targets=np.zeros(1))
    assert passes(recipe, 20, taken, one) == expected


def test_a_record_of_crt_counts_what_it_took() -> None:
    recipe = apply(_recipe(), {**TECHNIQUES["crt"].change})
    places, identity = (Place(0, 0, 0, "key"),), digest(TABLE.identity())
    (row,) = run_job(Job("0-x", 1, TABLE, identity, "tiny", "t", "t", recipe, 3, places, (), {})).runs
    per_pass = 2 * (8 * 9 + 9 * 9 + 9 * 3)  # five numbers and three categories, two layers of nine, three classes
    assert row["flops"] == per_pass * (3 * 16 * 16 + row["rows_train"])
    assert row["examples"] == 20 * 16
    np.testing.assert_allclose(row["seen_prior"], 1 / 3)
    assert row["row_prior"] == row["own_prior"] == pytest.approx(np.array(tiny.COUNTS) / sum(tiny.COUNTS), abs=0.02)
