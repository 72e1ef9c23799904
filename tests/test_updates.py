"""What happens around a step: each update against an independent formula, and its laws in the training loop."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from bench import training
from bench.keys import Streams
from bench.networks.image_specs import ResidualCnn
from bench.networks.layers import Network
from bench.networks.specs import Gru, Lstm, Mlp, NetworkSpec
from bench.recipe import Recipe
from bench.stages.context import Context
from bench.stages.optimizers import AdamW, Optimizer, Sgd
from bench.stages.penalties import L2
from bench.stages.perturbations import Sam, WeightNoise
from bench.stages.updates import ClipNorm, GradientNoise, MaxNorm, Update
from tests import reference, tiny

STILL = Sgd(lr=1e-30)  # steps too small to change a weight
BATCH_NORMALISED = ResidualCnn(width=4, depth=1, groups=2)
KINDS: list[tuple[str, NetworkSpec]] = [
    ("table", Mlp(width=33, depth=2, dropout=0.5)),
    ("series", Gru(units=6)),
    ("image", BATCH_NORMALISED),
]


def recipe_of(kind: str, spec: NetworkSpec, *updates: Update, optimizer: Optimizer | None = None) -> Recipe:
    recipe = dataclasses.replace(tiny.baseline(tiny.DATASETS[kind]), network=spec, updates=updates, schedule=None)
    return dataclasses.replace(recipe, optimizer=optimizer or recipe.optimizer)


def trained(kind: str, recipe: Recipe, repeats: list[int], steps: int = 12) -> training.Fit:
    trials = [tiny.prepared(tiny.DATASETS[kind], recipe, repeat) for repeat in repeats]
    return training.fit(recipe, trials, 3, steps)


def state_of(fitted: training.Fit, trial: int = 0) -> torch.Tensor:
    return torch.cat([value[trial].flatten() for value in fitted.network.state_dict().values()])


def stack() -> tuple[Context, Network]:
    """A context of two trials and a network of theirs, large enough to measure spread on."""
    streams = [Streams(1, "updates", repeat, 0) for repeat in range(2)]
    context = Context([], [], None, 3, regression=False, streams=streams, device=torch.device("cpu"))
    return context, Mlp(width=64, depth=2).build((50,), context)


# ---- laws of all ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "spec"), KINDS, ids=["mlp", "gru", "cnn"])
@pytest.mark.parametrize("update", [GradientNoise(0.0), WeightNoise(0.0), MaxNorm(1e6), Sam(0.0)], ids=str)
def test_a_neutral_update_changes_no_bit(update: Update, kind: str, spec: NetworkSpec) -> None:
    plain, neutral = (trained(kind, recipe_of(kind, spec, *updates), [0]) for updates in ((), (update,)))
    assert torch.equal(state_of(plain), state_of(neutral))


TOGETHER = (WeightNoise(0.2), Sam(0.1), GradientNoise(0.5), ClipNorm(0.3), MaxNorm(0.5))


@pytest.mark.parametrize(("kind", "spec"), KINDS[:2], ids=["mlp", "gru"])
@pytest.mark.parametrize("updates", [*((one,) for one in TOGETHER), TOGETHER], ids=str)
def test_a_member_of_a_stack_equals_it_alone(updates: tuple[Update, ...], kind: str, spec: NetworkSpec) -> None:
    recipe = recipe_of(kind, spec, *updates)
    together = trained(kind, recipe, [0, 1, 2])
    for repeat in (1, 2):
        assert torch.equal(state_of(together, repeat), state_of(trained(kind, recipe, [repeat]))), repeat
    assert not torch.equal(state_of(together), state_of(trained(kind, recipe_of(kind, spec), [0])))


def test_weights_come_back_to_the_bit_and_validation_sees_them_without_noise() -> None:
    disturbed = (WeightNoise(0.5), Sam(0.1), WeightNoise(0.3))
    plain = trained("table", recipe_of("table", Mlp(width=9, depth=2), optimizer=STILL), [0, 1])
    noisy = trained("table", recipe_of("table", Mlp(width=9, depth=2), *disturbed, optimizer=STILL), [0, 1])
    for trial in (0, 1):
        assert torch.equal(state_of(plain, trial), state_of(noisy, trial))
    np.testing.assert_array_equal(plain.curve.validation, noisy.curve.validation)


def test_sam_ascends_from_the_noisy_weights_wherever_it_is_listed() -> None:
    one, other = (
        trained("table", recipe_of("table", Mlp(width=9, depth=2), *updates), [0])
        for updates in ((WeightNoise(0.2), Sam(0.1)), (Sam(0.1), WeightNoise(0.2)))
    )
    assert torch.equal(state_of(one), state_of(other))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: GradientNoise(-1.0), "sigma must be at least 0"),
        (lambda: WeightNoise(-1.0), "sigma must be at least 0"),
        (lambda: Sam(-1.0), "rho must be at least 0"),
        (lambda: MaxNorm(0.0), "maximum must be above 0"),
    ],
)
def test_a_value_out_of_range_is_refused(build, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build()


# ---- noise ------------------------------------------------------------------------------------------------------


def test_gradient_noise_has_sigma_times_the_spread_of_each_gradient_per_trial() -> None:
    context, network = stack()
    before = {}
    for name, parameter in network.named_parameters():
        parameter.grad = torch.randn_like(parameter) + 3.0
        parameter.grad[1] *= 1e-3
        before[name] = parameter.grad.clone()
    GradientNoise(0.5).begin(context, network).before_step()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        for trial in (0, 1):
            noise = parameter.grad[trial] - before[name][trial]
            if noise.numel() < 1000:
                continue
            spread = float(before[name][trial].std())
            assert float(noise.std()) == pytest.approx(0.5 * spread, rel=0.06)
            assert abs(float(noise.mean())) < 0.1 * spread
    assert not torch.equal(network.get_parameter("hidden.0.weight").grad[0], before["hidden.0.weight"][0])  # type: ignore[index]


def test_noise_that_is_listed_before_clipping_is_clipped_and_noise_after_it_is_not() -> None:
    norms = []
    for updates in ((GradientNoise(2.0), ClipNorm(0.1)), (ClipNorm(0.1), GradientNoise(2.0))):
        context, network = stack()
        for parameter in network.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
        for update in [update.begin(context, network) for update in updates]:
            update.before_step()
        norms.append(float(torch.cat([p.grad[1].flatten() for p in network.parameters() if p.grad is not None]).norm()))
    assert norms[0] == pytest.approx(0.1, rel=1e-3)
    assert norms[1] == pytest.approx(0.1 * 5**0.5, rel=0.1)


def test_weight_noise_has_sigma_times_the_spread_of_each_weight_tensor_and_leaves_biases() -> None:
    context, network = stack()
    with torch.no_grad():
        network.get_parameter("hidden.1.weight")[1] *= 20
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    noise = WeightNoise(0.3).begin(context, network)
    draws = []
    for _ in range(2):
        noise.before_forward()
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                assert torch.equal(parameter, before[name])
            elif parameter[0].numel() > 1000:
                for trial in (0, 1):
                    added = (parameter - before[name])[trial].detach()
                    assert float(added.std()) == pytest.approx(0.3 * float(before[name][trial].std()), rel=0.06)
        draws.append((network.get_parameter("hidden.1.weight") - before["hidden.1.weight"]).detach())
        noise.restore()
        for name, parameter in network.named_parameters():
            assert torch.equal(parameter, before[name]), name
    assert not torch.equal(*draws), "a fresh draw for every pass"
    assert not torch.allclose(draws[0][0] * 20, draws[0][1], rtol=0.5), "a draw for every trial"


# ---- max-norm ---------------------------------------------------------------------------------------------------


def _units(name: str, weight: torch.Tensor, spec: NetworkSpec) -> int:
    """Which dimension of one trial's weight counts the units, by the layout that its layer documents."""
    return 0 if weight.dim() == 4 or (isinstance(spec, Lstm) and "layers" in name) else 1


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("table", Mlp(width=9, depth=2)),
        ("series", Gru(units=6)),
        ("series", Lstm(units=6)),
        ("image", BATCH_NORMALISED),
    ],
    ids=["mlp", "gru", "lstm", "cnn"],
)
def test_a_step_with_max_norm_is_the_plain_step_and_then_torchs_renorm(kind: str, spec: NetworkSpec) -> None:
    plain = trained(kind, recipe_of(kind, spec), [0], steps=1).network
    bound = trained(kind, recipe_of(kind, spec, MaxNorm(0.4)), [0], steps=1).network
    for name, parameter in bound.named_parameters():
        expected = plain.get_parameter(name).detach()[0]
        if name.endswith("weight"):
            expected = torch.renorm(expected, 2, _units(name, expected, spec), 0.4)
        torch.testing.assert_close(parameter.detach()[0], expected)


@pytest.mark.parametrize(("kind", "spec"), KINDS, ids=["mlp", "gru", "cnn"])
def test_after_training_no_unit_has_a_longer_weight_vector_than_the_maximum(kind: str, spec: NetworkSpec) -> None:
    fitted = trained(kind, recipe_of(kind, spec, MaxNorm(0.4), optimizer=AdamW(lr=0.05)), [0])
    lengths = []
    for name, parameter in fitted.network.named_parameters():
        if name.endswith("weight"):
            weight = parameter.detach()[0]
            lengths += weight.movedim(_units(name, weight, spec), 0).flatten(1).norm(dim=1).tolist()
    assert max(lengths) == pytest.approx(0.4, rel=1e-6)
    assert min(lengths) < 0.4 * (1 - 1e-3)


def test_max_norm_is_torchs_renorm_per_trial_and_leaves_shorter_units_and_biases_alone() -> None:
    context, network = stack()
    with torch.no_grad():
        network.get_parameter("hidden.0.weight")[1] *= 3
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    MaxNorm(0.6).begin(context, network).after_step()
    scaled = 0
    for name, parameter in network.named_parameters():
        for trial in (0, 1):
            old, new = before[name][trial], parameter.detach()[trial]
            if name.endswith("bias"):
                assert torch.equal(old, new)
                continue
            torch.testing.assert_close(new, torch.renorm(old, 2, 1, 0.6))
            short = old.norm(dim=0) < 0.6 * (1 - 1e-6)
            assert torch.equal(old[:, short], new[:, short])
            scaled += int((~short).sum())
    assert 64 <= scaled < 2 * (64 + 64 + 3)


# ---- SAM --------------------------------------------------------------------------------------------------------


def _plain_sam(model: nn.Module, optimizer: torch.optim.Optimizer, trial, batches: np.ndarray, rho: float) -> None:
    """Foret 2021, algorithm 1, for one model, as one would write it."""
    loss = nn.CrossEntropyLoss()
    for rows in batches:
        inputs, targets = torch.from_numpy(trial.inputs[rows]), torch.from_numpy(trial.targets[rows])
        gradients = torch.autograd.grad(loss(model(inputs), targets), list(model.parameters()))
        length = torch.cat([g.flatten() for g in gradients]).norm()
        weights = [p.detach().clone() for p in model.parameters()]
        with torch.no_grad():
            for p, g in zip(model.parameters(), gradients, strict=True):
                p += rho * g / length
        optimizer.zero_grad()
        loss(model(inputs), targets).backward()
        with torch.no_grad():
            for p, w in zip(model.parameters(), weights, strict=True):
                p.copy_(w)
        optimizer.step()


def test_sam_equals_a_plain_one_model_trainer_after_30_steps() -> None:
    rho, steps, spec = 0.3, 30, Mlp(width=9, depth=2)
    recipe = recipe_of("table", spec, Sam(rho), optimizer=Sgd(lr=0.1, momentum=0.9))
    trials = [tiny.prepared(tiny.DATASETS["table"], recipe, repeat) for repeat in range(3)]
    inputs = [trial.validation_inputs for trial in trials]
    sam, plain = (
        training.predict(training.fit(one, trials, 3, steps).network, inputs)
        for one in (recipe, dataclasses.replace(recipe, updates=()))
    )
    for index, trial in enumerate(trials):
        context = training._context(recipe, [trial], 3, torch.device("cpu"))
        model = reference.mlp_like(spec.build(trial.inputs.shape[1:], context))
        order = reference.epochs_of_batches(trial.streams.numpy("batches"), len(trial.inputs), 16, steps)
        _plain_sam(model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), trial, order, rho)
        with torch.no_grad():
            expected = model(torch.from_numpy(trial.validation_inputs)).numpy()
        np.testing.assert_allclose(sam[index], expected, atol=1e-4)
        assert np.abs(sam[index] - plain[index]).max() > 1e-2


def test_sam_keeps_the_running_statistics_of_the_first_pass() -> None:
    plain, sam = (
        trained("image", recipe_of("image", BATCH_NORMALISED, *updates), [0], steps=1).network
        for updates in ((), (Sam(0.5),))
    )
    for (name, one), other in zip(plain.named_buffers(), sam.buffers(), strict=True):
        assert torch.equal(one, other), name
    assert any(not torch.equal(one, other) for one, other in zip(plain.parameters(), sam.parameters(), strict=True))


def test_sam_takes_both_gradients_with_the_penalties() -> None:
    spec = Mlp(width=9, depth=2)
    one = dataclasses.replace(recipe_of("table", spec, Sam(0.1), optimizer=Sgd(lr=0.1)), penalties=(L2(0.2),))
    trial = tiny.prepared(tiny.DATASETS["table"], one)
    fitted = training.fit(one, [trial], 3, 1)
    context = training._context(one, [trial], 3, torch.device("cpu"))
    model = reference.mlp_like(spec.build(trial.inputs.shape[1:], context))
    rows = reference.epochs_of_batches(trial.streams.numpy("batches"), len(trial.inputs), 16, 1)[0]
    inputs, targets = torch.from_numpy(trial.inputs[rows]), torch.from_numpy(trial.targets[rows])

    def gradients() -> list[torch.Tensor]:
        penalty = torch.stack([p.square().sum() for p in model.parameters() if p.dim() > 1]).sum()
        loss = nn.functional.cross_entropy(model(inputs), targets) + 0.2 * penalty
        return list(torch.autograd.grad(loss, list(model.parameters())))

    start, first = [p.detach().clone() for p in model.parameters()], gradients()
    length = torch.cat([g.flatten() for g in first]).norm()
    with torch.no_grad():
        for p, g in zip(model.parameters(), first, strict=True):
            p += 0.1 * g / length
    second = gradients()
    expected = [w - 0.1 * g for w, g in zip(start, second, strict=True)]
    after = list(reference.mlp_like(fitted.network).parameters())
    for ours, theirs in zip(after, expected, strict=True):
        torch.testing.assert_close(ours.detach(), theirs, atol=1e-6, rtol=1e-5)
