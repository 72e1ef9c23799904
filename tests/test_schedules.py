"""Schedules against torch's own, step by step, and the one that watches validation rows against its rule by hand."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from bench import canary, training
from bench.errors import UsageError
from bench.keys import Streams
from bench.recipe import Recipe, apply
from bench.splits import split
from bench.stages.decisions import Rule
from bench.stages.optimizers import AdamW, Sgd
from bench.stages.phases import Phase
from bench.stages.schedules import Constant, Cosine, OneCycle, ReduceOnPlateau, Schedule, StepDecay
from tests import reference, tiny

STEPS, RISE, RATE = 100, 10, 0.05
TABLE = tiny.DATASETS["table"]
LEFT = STEPS - RISE
TORCHS: dict[str, tuple[Schedule, Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]]] = {
    "constant": (Constant(warmup=0.1), lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    "cosine": (Cosine(warmup=0.1), lambda o: lr_scheduler.CosineAnnealingLR(o, LEFT)),
    "cosine to a tenth": (Cosine(0.1, 0.1), lambda o: lr_scheduler.CosineAnnealingLR(o, LEFT, eta_min=RATE / 10)),
    "step": (StepDecay(warmup=0.1), lambda o: lr_scheduler.StepLR(o, step_size=27, gamma=0.1)),
    "step by halves": (StepDecay(0.1, 0.5, 0.5), lambda o: lr_scheduler.StepLR(o, step_size=45, gamma=0.5)),
}


def _rates(make: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler], steps: int) -> list[float]:
    """Return the rate of each step under one of torch's schedulers."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=RATE)
    scheduler, rates = make(optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("name", TORCHS)
def test_it_is_torchs_at_every_step_without_a_warm_up(name: str) -> None:
    schedule, make = TORCHS[name]
    plain = dataclasses.replace(schedule, warmup=0.0)
    own = [RATE * plain.factor(step, LEFT) for step in range(LEFT)]
    np.testing.assert_allclose(own, _rates(make, LEFT), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", TORCHS)
def test_it_is_torchs_at_every_step_after_torchs_linear_warm_up(name: str) -> None:
    schedule, make = TORCHS[name]

    def both(optimizer: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
        rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / (RISE + 1), total_iters=RISE)
        return lr_scheduler.SequentialLR(optimizer, [rise, make(optimizer)], milestones=[RISE])

    own = [RATE * schedule.factor(step, STEPS) for step in range(STEPS)]
    np.testing.assert_allclose(own, _rates(both, STEPS), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5])
def test_one_cycle_is_torchs_at_every_step(share: float) -> None:
    def torchs(optimizer: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
        return lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=share, cycle_momentum=False)

    own = [RATE * OneCycle(warmup=share).factor(step, STEPS) for step in range(STEPS)]
    if share < 0.02:  # torch divides by zero here, or starts beyond the top: no rise at all is meant
        assert own[0] == pytest.approx(RATE, rel=1e-2)
        assert own == sorted(own, reverse=True)
    else:
        np.testing.assert_allclose(own, _rates(torchs, STEPS - 1) + own[-1:], rtol=1e-6)
    assert own[-1] == pytest.approx(RATE / 25 / 1e4)


def test_on_a_plateau_each_trial_has_the_rate_of_torchs_scheduler() -> None:
    losses = np.random.default_rng(1).uniform(0.5, 1.0, (12, 3)) ** np.arange(1, 4)
    losses[5:, 2] = np.nan
    pace = ReduceOnPlateau(warmup=0.0, gamma=0.5, patience=1).begin(3, (0, STEPS))
    optimizers = [torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=RATE) for _ in range(3)]
    schedulers = [lr_scheduler.ReduceLROnPlateau(one, factor=0.5, patience=1) for one in optimizers]
    seen = set()
    for step, row in enumerate(losses):
        pace.watch(row)
        for loss, scheduler in zip(row, schedulers, strict=True):
            scheduler.step(float(loss))
        rates = [one.param_groups[0]["lr"] for one in optimizers]
        np.testing.assert_allclose([RATE * one for one in pace.factors(step)], rates, rtol=1e-12)
        seen.update(rates)
    assert len(seen) > 2


def _plateau_recipe(steps: int = 200) -> Recipe:
    recipe = dataclasses.replace(tiny.baseline(TABLE, steps), optimizer=Sgd(lr=1.0, momentum=0.9))
    return dataclasses.replace(recipe, schedule=ReduceOnPlateau(gamma=0.3, patience=0))


def _by_hand(losses: np.ndarray, at: list[int]) -> Callable[[int], float]:
    """Return the factor of each step, for validation losses after some steps: every one that is no lower reduces it."""
    factors, best, factor = {0: 1.0}, np.inf, 1.0
    for loss, step in zip(losses, at, strict=True):
        factor *= 1.0 if loss < best * (1 - 1e-4) else 0.3
        best = min(best, loss)
        factors[step] = factor
    return lambda step: factors[max(start for start in factors if start <= step)]


def test_a_plateau_trains_as_the_plain_trainer_with_rates_reduced_by_its_own_validation_losses() -> None:
    recipe = _plateau_recipe()
    trials = [tiny.prepared(TABLE, recipe, repeat) for repeat in range(3)]
    fit = training.fit(recipe, trials, 3, 200)
    last = []
    for index, trial in enumerate(trials):
        context = training._context(recipe, [trial], 3, torch.device("cpu"))
        model = reference.mlp_like(recipe.network.build(trial.inputs.shape[1:], context))
        factor = _by_hand(fit.curve.validation[index], fit.curve.steps)
        order = reference.epochs_of_batches(trial.streams.numpy("batches"), len(trial.inputs), 16, 200)
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
        reference.train(model, optimizer, trial.inputs, trial.targets, order[:100], nn.CrossEntropyLoss(), factor)
        snapshots = training.fit(recipe, trials, 3, 200, snapshots=[100]).snapshots
        with training.at(fit.network, snapshots[0][1]) as network, torch.no_grad():
            actual = training.predict(network, [one.validation_inputs for one in trials])[index]
            expected = model(torch.from_numpy(trial.validation_inputs)).numpy()
        np.testing.assert_allclose(actual, expected, rtol=1e-2, atol=1e-2)
        last.append(factor(199))
        alone = training.fit(recipe, [trial], 3, 200).network.state_dict()
        for name, value in fit.network.state_dict().items():
            assert torch.equal(value[index], alone[name][0]), name
    assert min(last) < 1, "no rate was reduced: the test shows nothing"
    assert len(set(last)) > 1, "all were reduced alike: the test shows little"


def test_a_plateau_reads_validation_rows_and_raises_no_alarm_by_it() -> None:
    recipe = _plateau_recipe()
    data = TABLE.make(7, 0)
    parts = split(TABLE, data, 3, 7, 0, 0)
    assert isinstance(recipe.decide, Rule)
    trial = canary.Trial(TABLE, data, parts, recipe, [("own", recipe.decide)], Streams(7, TABLE.name, 0, 0))
    assert trial.watches
    assert canary.leak(trial) == ""
    later = dataclasses.replace(recipe, schedule=None, phases=(Phase("later", 0.5, {"schedule": ReduceOnPlateau()}),))
    assert dataclasses.replace(trial, recipe=later).watches
    assert not dataclasses.replace(trial, recipe=dataclasses.replace(recipe, schedule=Cosine())).watches


def test_a_phase_may_change_the_schedule_and_the_steps_that_it_spans_stay() -> None:
    plain = dataclasses.replace(tiny.baseline(TABLE), optimizer=AdamW(lr=0.01), schedule=None)
    for later in (ReduceOnPlateau(), Cosine()):
        changed = dataclasses.replace(plain, phases=(Phase("later", 0.5, {"schedule": later}),))
        fits = []
        for recipe in (plain, changed):
            trials = [tiny.prepared(TABLE, recipe, repeat) for repeat in range(2)]
            fits.append(training.fit(recipe, trials, 3, 20, snapshots=[10, 20]).snapshots)
        same = [
            all(torch.equal(value, other[1][name]) for name, value in one[1].items())
            for one, other in zip(*fits, strict=True)
        ]
        assert same == [True, isinstance(later, ReduceOnPlateau)]  # nothing was watched in so few steps


@pytest.mark.parametrize(
    ("schedule", "change", "sentence"),
    [
        (Constant(), {"warmup": 1.0}, "warmup must be at least 0 and below 1, got 1.0"),
        (Cosine(), {"final": 1.5}, "final must be between 0 and 1, got 1.5"),
        (StepDecay(), {"every": 0.0}, "every must be above 0 and at most 1, got 0.0"),
        (StepDecay(), {"gamma": 2.0}, "gamma must be above 0 and at most 1, got 2.0"),
        (ReduceOnPlateau(), {"gamma": 1.0}, "gamma must be above 0 and below 1, got 1.0"),
        (ReduceOnPlateau(), {"patience": -1}, "patience must be at least 0 validations, got -1"),
    ],
)
def test_numbers_out_of_range_are_refused(schedule: Schedule, change: dict, sentence: str) -> None:
    recipe = apply(tiny.baseline(TABLE), {"schedule": schedule})
    with pytest.raises(UsageError, match=sentence):
        apply(recipe, {f"schedule.{name}": value for name, value in change.items()})
