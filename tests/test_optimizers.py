"""Optimizers against their libraries' own on plain parameters, and trials of a stack against themselves alone."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import schedulefree
import torch
from lion_pytorch import Lion
from torch import nn, optim

from bench import training
from bench.catalogue import TECHNIQUES
from bench.catalogue.optimizers import OPTIMIZERS, RATES
from bench.jobs import Job
from bench.keys import Place, digest
from bench.networks.image_specs import ResidualCnn
from bench.networks.specs import Lstm, Mlp
from bench.recipe import Recipe, Technique, apply, combine
from bench.running import Running
from bench.stages.coupled import Lbfgs, Muon
from bench.stages.decisions import Rule
from bench.stages.optimizers import AdamW, Optimizer, Sgd
from bench.stages.phases import Phase
from bench.stages.schedules import Constant, Cosine
from bench.stages.stepping import Steppers
from bench.work import run_job
from tests import reference, tiny

STEPS = 50
TABLE, FORECAST = tiny.DATASETS["table"], tiny.DATASETS["forecast"]
BY_NAME = {technique.name: technique for technique in OPTIMIZERS}
STAGES: dict[str, Optimizer] = {name: one.change["optimizer"] for name, one in BY_NAME.items()}
STACKING = {name: one for name, one in STAGES.items() if one.stacks}
Tensors = list[torch.Tensor]


class Beside:
    """Muon on matrices and AdamW on the rest, written as one optimizer."""

    def __init__(self, parameters: Tensors, rate: float) -> None:
        matrices = [one for one in parameters if one.dim() == 2]
        rest = [one for one in parameters if one.dim() != 2]
        muon = optim.Muon(matrices, lr=rate, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
        self._both = muon, optim.AdamW(rest, lr=rate, weight_decay=0)
        self.param_groups = [group for one in self._both for group in one.param_groups]

    def zero_grad(self) -> None:
        for one in self._both:
            one.zero_grad()

    def step(self, closure: Callable | None = None) -> None:
        for one in self._both:
            one.step()


def _decayed(parameters: Tensors, decay: float) -> list[dict]:
    parts = [[one for one in parameters if (one.dim() == 2) == matrix] for matrix in (True, False)]
    return [{"params": part, "weight_decay": own} for part, own in zip(parts, (decay, 0), strict=True)]


LIBRARY: dict[str, Callable[[Tensors, float], Any]] = {
    "sgd": lambda p, lr: optim.SGD(p, lr),
    "momentum": lambda p, lr: optim.SGD(p, lr, momentum=0.9),
    "nesterov": lambda p, lr: optim.SGD(p, lr, momentum=0.9, nesterov=True),
    "adagrad": lambda p, lr: optim.Adagrad(p, lr),
    "rmsprop": lambda p, lr: optim.RMSprop(p, lr),
    "adadelta": lambda p, lr: optim.Adadelta(p, lr),
    "adam": lambda p, lr: optim.Adam(p, lr),
    "adamw": lambda p, lr: optim.AdamW(_decayed(p, 0.01), lr),
    "nadam": lambda p, lr: optim.NAdam(p, lr),
    "radam": lambda p, lr: optim.RAdam(p, lr),
    "adamax": lambda p, lr: optim.Adamax(p, lr),
    "lion": lambda p, lr: Lion(p, lr),
    "muon": Beside,
    "schedule-free-sgd": lambda p, lr: schedulefree.SGDScheduleFree(p, lr),
    "schedule-free-adamw": lambda p, lr: schedulefree.AdamWScheduleFree(p, lr),
    "lbfgs": lambda p, lr: optim.LBFGS(p, lr, line_search_fn="strong_wolfe"),
}


def _mode(optimizer: object, name: str) -> None:
    """Put an optimizer into a mode, if it has modes."""
    getattr(optimizer, name, lambda: None)()


def test_every_optimizer_of_the_catalogue_is_held_against_its_library() -> None:
    assert LIBRARY.keys() == STAGES.keys()


@pytest.mark.parametrize("name", STAGES)
def test_its_rate_is_by_default_the_librarys(name: str) -> None:
    made = LIBRARY[name]([torch.zeros(2, 2), torch.zeros(2)], 1.0)
    kinds = {"lion": Lion, "muon": optim.Muon}
    kind = kinds.get(name, type(made))
    assert STAGES[name].lr == kind([torch.zeros(2, 2)]).param_groups[0]["lr"]


# ---- a quadratic


class Quadratic:
    """Half of a_i (w_i - b_i)^2, summed: parameters [T, 3, 4] and [T, 1, 4], each trial with its own a and b."""

    def __init__(self, trials: int) -> None:
        drawn = torch.Generator().manual_seed(3)
        self.start = [torch.randn((trials, *shape), generator=drawn) for shape in ((3, 4), (1, 4))]
        self.a = [torch.rand(one.shape, generator=drawn) + 0.2 for one in self.start]
        self.b = [torch.randn(one.shape, generator=drawn) for one in self.start]

    def losses(self, parameters: Tensors, trials: slice) -> torch.Tensor:
        parts = zip(parameters, self.a, self.b, strict=True)
        return sum((a[trials] * (w - b[trials]).square() / 2).flatten(1).sum(1) for w, a, b in parts)  # type: ignore

    def stacked(self, stages: list[Optimizer], trials: slice, scale: torch.Tensor, steps: int = 30) -> Tensors:
        """Return what a stack's parameters are after some steps; each trial's loss is scaled."""
        own = [one[trials].clone().requires_grad_() for one in self.start]
        steppers = Steppers(stages, (own[:1], own[1:]), alone=False)

        def gradients() -> torch.Tensor:
            for one in own:
                one.grad = None
            losses = self.losses(own, trials) * scale[trials]
            losses.sum().backward()
            return losses.detach()

        for _ in range(steps):
            steppers.step(gradients)
        steppers.evaluate()
        return [one.detach() for one in own]

    def plain(self, name: str, rate: float, trial: int, steps: int = 30) -> Tensors:
        """Return what the library makes of one trial: a matrix [3, 4] and a vector [4]."""
        own = [self.start[0][trial].clone().requires_grad_(), self.start[1][trial, 0].clone().requires_grad_()]
        optimizer = LIBRARY[name](own, rate)
        _mode(optimizer, "train")

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = self.losses([own[0][None], own[1][None, None]], slice(trial, trial + 1)).sum()
            loss.backward()
            return loss

        for _ in range(steps):
            closure()
            optimizer.step(closure)
        _mode(optimizer, "eval")
        return [own[0].detach(), own[1].detach()]


@pytest.mark.parametrize("name", STAGES)
def test_on_a_quadratic_each_trial_goes_where_the_library_goes(name: str) -> None:
    trials = 3 if STAGES[name].stacks else 1
    problem, rate = Quadratic(trials), 0.05
    stage = dataclasses.replace(STAGES[name], lr=rate)
    matrix, vector = problem.stacked([stage] * trials, slice(None), torch.ones(trials))
    for trial in range(trials):
        expected = problem.plain(name, rate, trial)
        torch.testing.assert_close(matrix[trial], expected[0], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(vector[trial, 0], expected[1], atol=1e-6, rtol=1e-5)
        assert (expected[0] - problem.start[0][trial]).abs().max() > 1e-4, "it has not moved"


@pytest.mark.parametrize("name", STACKING)
def test_a_trials_gradients_a_thousand_times_as_large_move_no_other_trial(name: str) -> None:
    problem, stage = Quadratic(3), STACKING[name]
    even, uneven = torch.ones(3), torch.tensor([1.0, 1000.0, 1.0])
    plain, other = (problem.stacked([stage] * 3, slice(None), scale) for scale in (even, uneven))
    alone = problem.stacked([stage], slice(2, 3), even)
    for before, after, one in zip(plain, other, alone, strict=True):
        assert torch.equal(before[[0, 2]], after[[0, 2]])
        assert torch.equal(before[2], one[0])


@pytest.mark.parametrize("stage", [Muon(), Lbfgs()], ids=lambda stage: stage.kind)
def test_an_optimizer_that_couples_weights_refuses_a_stack(stage: Optimizer) -> None:
    with pytest.raises(ValueError, match=f"{stage.kind} trains one trial at a time, got a stack of 2"):
        Quadratic(2).stacked([stage] * 2, slice(None), torch.ones(2))


@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.1, 0.2)], ids=["one-rate", "two-rates"])
def test_parameters_that_do_not_train_or_have_no_gradient_stay_where_they_are(rates: tuple[float, float]) -> None:
    problem = Quadratic(2)
    trains, frozen, unused = (problem.start[0].clone() for _ in range(3))
    trains.requires_grad_()
    unused.requires_grad_()
    steppers = Steppers([AdamW(lr=rate, weight_decay=0.5) for rate in rates], ([trains, frozen], [unused]), alone=False)

    def gradients() -> torch.Tensor:
        trains.grad = None
        losses = (trains.square() + frozen).flatten(1).sum(1)
        losses.sum().backward()
        return losses.detach()

    steppers.step(gradients)
    assert (trains != problem.start[0]).all()
    assert torch.equal(frozen, problem.start[0])
    assert torch.equal(unused, problem.start[0])


def test_what_is_changed_between_two_steps_is_where_the_next_one_begins() -> None:
    start = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])
    weight = start.clone().requires_grad_()
    steppers = Steppers([Sgd(lr=0.5)] * 2, ([weight], []), alone=False)

    def gradients() -> torch.Tensor:
        weight.grad = torch.ones_like(weight)
        return torch.zeros(2)

    steppers.step(gradients)
    with torch.no_grad():
        weight.mul_(10)  # as a limit on norms does
    steppers.step(gradients)
    torch.testing.assert_close(weight.detach(), 10 * (start - 0.5) - 0.5)


def test_a_step_of_lbfgs_counts_as_many_gradients_as_the_library_lets_it_take() -> None:
    made = optim.LBFGS([torch.zeros(2)], max_iter=12)
    assert Lbfgs(max_iter=12).gradients == made.param_groups[0]["max_eval"]
    assert Sgd().gradients == 1


def test_whether_a_recipe_stacks_follows_from_its_stages_in_all_phases() -> None:
    plain = tiny.baseline(TABLE)
    assert plain.stacks
    assert plain.beside(3) == 3
    for change in ({"optimizer": Muon()}, {"optimizer": Lbfgs()}, {"network": Lstm(units=4)}):
        assert not apply(plain, change).stacks
    later = (Phase("later", 0.5, {"optimizer": Muon()}, reset=True),)
    assert not dataclasses.replace(plain, phases=later).stacks
    assert dataclasses.replace(plain, optimizer=Muon(), members=4).beside(3) == 1


@pytest.mark.parametrize(("name", "passes"), [("sgd", (1, 1)), ("sam", (2, 2)), ("lbfgs", (2, 25))])
def test_passes_per_step_are_those_that_were_taken(
    name: str, passes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = apply(tiny.baseline(FORECAST, 4), {**combine([TECHNIQUES[name]], FORECAST.kind), "batch_size": 30})
    taken, before = [], Running.gradients
    monkeypatch.setattr(Running, "gradients", lambda *given: taken.append(1) or before(*given))
    fit = _fitted(recipe, FORECAST, 1)
    assert passes[0] <= fit.passes <= passes[1]
    assert fit.passes * 4 == len(taken)


# ---- the plain trainer


def _fitted(recipe: Recipe, dataset, repeats: int, **named) -> training.Fit:
    trials = [tiny.prepared(dataset, recipe, repeat) for repeat in range(repeats)]
    return training.fit(recipe, trials, tiny.outputs(dataset), recipe.steps, **named)


@pytest.mark.parametrize("name", STAGES)
def test_50_steps_are_the_plain_trainers_with_the_librarys_optimizer(name: str) -> None:
    technique = BY_NAME[name]
    dataset = TABLE if "classification" in technique.tasks else FORECAST
    slow = {"optimizer.lr": min(technique.change["optimizer"].lr, 0.1), "schedule": Constant(warmup=0.1)}
    recipe = apply(tiny.baseline(dataset, STEPS), {**combine([technique], dataset.kind), **slow})
    recipe = dataclasses.replace(recipe, network=Mlp(width=9, depth=2))
    if name == "lbfgs":  # on all rows at once, and not to the end, where what is left is rounding
        recipe = apply(recipe, {"batch_size": 80, "optimizer.max_iter": 2, "optimizer.lr": 1.0})
    repeats = 2 if recipe.stacks else 1
    fit = _fitted(recipe, dataset, repeats)
    trials = [tiny.prepared(dataset, recipe, repeat) for repeat in range(repeats)]
    loss = nn.CrossEntropyLoss() if dataset is TABLE else nn.MSELoss()
    for index, trial in enumerate(trials):
        context = training._context(recipe, [trial], tiny.outputs(dataset), torch.device("cpu"))
        model = reference.mlp_like(recipe.network.build(trial.inputs.shape[1:], context))
        for parameter in model.parameters():
            parameter.data = parameter.data.contiguous()  # as L-BFGS needs it
        optimizer = LIBRARY[name](list(model.parameters()), recipe.optimizer.lr)
        _mode(optimizer, "train")
        rows = len(trial.inputs)
        order = reference.epochs_of_batches(trial.streams.numpy("batches"), rows, recipe.batch_size, STEPS)
        if isinstance(optimizer, optim.LBFGS):
            optimizer.param_groups[0].update(max_iter=2, max_eval=2)
            _with_closure(model, optimizer, trial, order, loss)
        else:
            reference.train(model, optimizer, trial.inputs, trial.targets, order, loss, _rising)
        _mode(optimizer, "eval")
        with torch.no_grad():
            expected = model(torch.from_numpy(trial.validation_inputs)).numpy()
        actual = training.predict(fit.network, [one.validation_inputs for one in trials])[index]
        np.testing.assert_allclose(actual, expected, atol=1e-2 if name == "muon" else 2e-3 if name == "lbfgs" else 5e-5)


def _rising(step: int) -> float:
    return min(1.0, (step + 1) / 6)


def _with_closure(model: nn.Module, optimizer: Any, trial, order: np.ndarray, loss: nn.Module) -> None:
    rate = optimizer.param_groups[0]["lr"]
    for step, rows in enumerate(order):
        optimizer.param_groups[0]["lr"] = rate * _rising(step)
        inputs, targets = torch.from_numpy(trial.inputs[rows]), torch.from_numpy(trial.targets[rows])

        def closure(inputs=inputs, targets=targets) -> torch.Tensor:
            optimizer.zero_grad()
            value = loss(model(inputs), targets)
            value.backward()
            return value

        optimizer.step(closure)


def test_muon_turns_filters_of_a_convolution_as_matrices() -> None:
    recipe = dataclasses.replace(
        tiny.baseline(tiny.DATASETS["image"], 1), network=ResidualCnn(width=4, groups=2), schedule=None
    )
    before = _fitted(dataclasses.replace(recipe, optimizer=Sgd(lr=1e-30)), tiny.DATASETS["image"], 1)
    after = _fitted(dataclasses.replace(recipe, optimizer=Muon(lr=0.1, weight_decay=0.0)), tiny.DATASETS["image"], 1)
    seen = 0
    for (name, old), new in zip(before.network.named_parameters(), after.network.parameters(), strict=True):
        if name.endswith("weight") and old.dim() == 5:
            moved = (new - old).detach()[0].flatten(1) / (0.1 * 0.2 * max(old.shape[1], old[0, 0].numel()) ** 0.5)
            values = torch.linalg.svdvals(moved.double())
            assert float(values.min()) > 0.3, "every direction moves"
            assert float(values.max()) < 1.4
            seen += 1
    assert seen


# ---- several optimizers in one stack


@pytest.mark.parametrize("name", STACKING)
def test_a_stack_of_several_rates_is_each_rate_alone_to_the_bit(name: str) -> None:
    network = Mlp(width=9, depth=2, dropout=0.3, normalisation="batch")
    schedule = BY_NAME[name].change.get("schedule", Cosine(0.1))
    recipe = dataclasses.replace(tiny.baseline(TABLE), network=network, optimizer=STAGES[name], schedule=schedule)
    rates = (1e-3, 1e-1, 1e-1, 10.0, 1e-3)
    _each_alone(recipe, [dataclasses.replace(STAGES[name], lr=rate) for rate in rates])


def test_a_stack_of_several_optimizers_is_each_of_them_alone_to_the_bit() -> None:
    deferred = Phase("later", 0.5, {"optimizer.lr": 0.02}, reset=True)
    for phases in ((), (deferred,)):
        _each_alone(dataclasses.replace(tiny.baseline(TABLE), phases=phases), list(STACKING.values()))


def test_where_a_phase_begins_anew_the_weights_are_those_of_each_trial_alone() -> None:
    head = Phase("head", 0.5, part="head")
    recipe = dataclasses.replace(tiny.baseline(TABLE), phases=(head,), network=Mlp(9, 2, normalisation="batch"))
    _each_alone(recipe, [STAGES["schedule-free-adamw"], AdamW(0.1), STAGES["schedule-free-sgd"]])


def test_a_stack_needs_an_optimizer_for_each_trial_or_none() -> None:
    with pytest.raises(ValueError, match="give one optimizer for each of 3 trials, or none; got 2"):
        _fitted(tiny.baseline(TABLE), TABLE, 3, optimizers=[AdamW(), AdamW()])


def _each_alone(recipe: Recipe, stages: list[Optimizer]) -> None:
    trials = [tiny.prepared(TABLE, recipe, repeat) for repeat in range(len(stages))]
    together = training.fit(recipe, trials, 3, recipe.steps, optimizers=stages)
    state = together.network.state_dict()
    for index, (trial, stage) in enumerate(zip(trials, stages, strict=True)):
        alone = training.fit(dataclasses.replace(recipe, optimizer=stage), [trial], 3, recipe.steps)
        for key, value in alone.network.state_dict().items():
            np.testing.assert_array_equal(value[0].numpy(), state[key][index].numpy(), err_msg=f"{stage.kind} {key}")
        np.testing.assert_array_equal(together.curve.validation[index], alone.curve.validation[0])
        assert together.diverged[index] == alone.diverged[0]


# ---- what is too fast


@pytest.mark.parametrize("technique", OPTIMIZERS, ids=BY_NAME)
@pytest.mark.parametrize("rate", [RATES[-1], RATES[0]])
def test_a_rate_that_is_too_large_or_too_small_is_a_result_and_no_error(technique: Technique, rate: float) -> None:
    dataset = TABLE if "classification" in technique.tasks else FORECAST
    recipe = apply(tiny.baseline(dataset, 40), {**combine([technique], dataset.kind), "optimizer.lr": rate})
    places = tuple(Place(repeat, 0, 0, f"key {repeat}") for repeat in range(2))
    rules = (("argmax", recipe.decide),) if isinstance(recipe.decide, Rule) else ()
    job = Job("part", 7, dataset, digest(dataset.identity()), "tiny", technique.name, "t", recipe, 3, places, rules, {})
    rows = run_job(job).runs
    assert [row["key"] for row in rows] == ["key 0", "key 1"]
    assert {row["status"] for row in rows} <= ({"ok"} if rate < 1 else {"ok", "diverged"}), rows[0]["reason"]


def test_the_plain_ones_diverge_on_unscaled_losses() -> None:
    recipe = dataclasses.replace(tiny.baseline(FORECAST, 40), optimizer=Sgd(lr=10.0), schedule=Constant())
    assert _fitted(recipe, FORECAST, 2).diverged.all()


def test_bad_numbers_are_refused_in_a_sentence() -> None:
    for change, sentence in (
        ({"optimizer": STAGES["nesterov"], "optimizer.momentum": 0.0}, "nesterov needs a momentum above 0"),
        ({"optimizer": STAGES["schedule-free-sgd"], "optimizer.momentum": 0.0}, "momentum must be above 0"),
        ({"optimizer": STAGES["schedule-free-adamw"], "optimizer.beta1": 0.0}, "beta1 must be above 0"),
        ({"optimizer": STAGES["adadelta"], "optimizer.rho": 1.0}, "rho must be at least 0 and below 1"),
        ({"optimizer": STAGES["rmsprop"], "optimizer.alpha": -0.1}, "alpha must be at least 0 and below 1"),
        ({"optimizer": STAGES["lbfgs"], "optimizer.max_iter": 0}, "max_iter must be at least 1, got 0"),
        ({"optimizer": STAGES["lbfgs"], "optimizer.line_search": "wolf"}, "must be one of none, strong-wolfe"),
        ({"optimizer": STAGES["lion"], "optimizer.lr": 0.0}, "lr must be above 0"),
    ):
        with pytest.raises(Exception, match=sentence):
            apply(tiny.baseline(TABLE), change)


def test_lbfgs_fits_the_public_sine_setting_in_small() -> None:
    from tests.performance.sine_lbfgs import Setting, train

    setting = Setting(series=8, points=60, steps=4)
    told = train(setting)
    assert told.losses[-1] < 0.1 * told.losses[0]
    assert told.test_loss < 0.5
    assert told.losses == train(setting, library=True).losses
