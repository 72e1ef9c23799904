"""What regularises inside a network against independent formulas: size, DropConnect, stochastic depth, noise."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy import stats

from bench import training
from bench.keys import Streams
from bench.networks.dropconnect import masked_linear
from bench.networks.image_specs import ResidualCnn
from bench.networks.layers import Disturbance, Network, StackedLinear, drop
from bench.networks.residual import ResidualNetwork
from bench.networks.specs import Gru, Lstm, Mlp, NetworkSpec, Rnn
from bench.stages.context import Context
from tests import tiny

CNN = ResidualCnn(width=4, depth=2, groups=2)
SPECS = [Mlp(width=9, depth=2), Rnn(units=6, layers=2), Gru(units=6, layers=2), Lstm(units=6, layers=2), CNN]
SHAPES = {"mlp": (5,), "residual-cnn": (3, 8, 8)}
TOGETHER = {"dropout": 0.3, "hidden_noise": 0.3, "input_noise": 0.3, "normalisation": "batch", "scale": 1.5}
OWN = {"mlp": {"dropconnect": 0.3}, "residual-cnn": {"survival": 0.5}}
ONES = [{"normalisation": "batch"}, {"normalisation": "layer"}, {"input_noise": 0.3}, {"hidden_noise": 0.3}, TOGETHER]
CASES = [(spec, fields) for spec in SPECS if spec.stacks for fields in [*ONES, OWN.get(spec.kind)] if fields]


def context(trials: int = 2, outputs: int = 3) -> Context:
    streams = [Streams(1, "remedies", repeat, 0) for repeat in range(trials)]
    return Context([], [], None, outputs, False, streams, torch.device("cpu"))


def made(spec: NetworkSpec, rows: int = 8, **fields: object) -> tuple[Network, torch.Tensor]:
    """A network with fields replaced, and inputs [T, B, ...]."""
    shape = SHAPES.get(spec.kind, (7, 2))
    trials = 2 if spec.stacks else 1
    x = torch.randn(trials, rows, *shape, generator=torch.Generator().manual_seed(0))
    return dataclasses.replace(spec, **fields).build(shape, context(trials)), x


# ---- size -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
@pytest.mark.parametrize(("scale", "size"), [(0.5, 4), (1.0, 8), (2.0, 16), (0.01, 1), (0.7, 6)])
def test_a_scale_is_that_width(spec: NetworkSpec, scale: float, size: int) -> None:
    name = "units" if hasattr(spec, "units") else "width"
    scaled = dataclasses.replace(spec, **{name: 8, "scale": scale})
    plain = dataclasses.replace(spec, **{name: size})
    shape = SHAPES.get(spec.kind, (7, 2))
    assert scaled.flops(shape, 3) == plain.flops(shape, 3)
    one, other = (network.build(shape, context(1)).state_dict() for network in (scaled, plain))
    assert list(one) == list(other)
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


# ---- DropConnect ------------------------------------------------------------------------------------------------


def decoded(probability: float, rows: int = 90, inputs: int = 20, outputs: int = 701) -> torch.Tensor:
    """The masks [T, B, F, H] that DropConnect drew: weights are powers of two, so that sums are read bit by bit."""
    known = context(outputs=outputs)
    layer = StackedLinear(Mlp(depth=0).build((inputs,), known), inputs, outputs)
    powers = 2 ** torch.arange(inputs)
    layer.weight.data[:] = powers[:, None].float()
    layer.bias.data.zero_()
    kept = (256 - round(probability * 256)) / 256
    sums = (masked_linear(layer, torch.ones(2, rows, inputs), probability, known).double() * kept).round().long()
    return (sums[:, :, None] & powers[:, None]) != 0


@pytest.mark.parametrize("probability", [0.01, 0.2, 0.25, 0.5, 0.8])
def test_dropconnect_drops_the_stated_share_of_every_weight(probability: float) -> None:
    masks = decoded(probability).double()
    kept = 1 - round(probability * 256) / 256
    for axes in ((0, 1, 2, 3), (1, 2, 3), (0, 1, 3), (0, 2, 3), (0, 1, 2)):
        shares = masks.mean(axes)
        error = math.sqrt(kept * (1 - kept) * shares.numel() / masks.numel())
        assert (shares - kept).abs().max() < 5 * error


def test_dropconnect_has_a_mask_for_each_example_and_each_weight() -> None:
    masks = decoded(0.5).flatten(2).double() - 0.5
    examples = masks.flatten(0, 1) / (0.5 * math.sqrt(masks.shape[2]))
    agreement = examples @ examples.T - torch.eye(len(examples))
    assert agreement.abs().max() * math.sqrt(masks.shape[2]) < 6, "masks of different examples and trials do not agree"


def test_dropconnect_is_not_dropout() -> None:
    """On two layers: a dropped activation is missing in every unit of the next layer, a dropped weight in one."""
    masks = decoded(0.5)
    assert not torch.equal(masks, masks[..., :1].expand_as(masks))
    rows, inputs, outputs = 90, 20, 30
    powers = 2.0 ** torch.arange(inputs)[:, None].expand(inputs, outputs)
    dropped = drop(torch.ones(2, rows, inputs), 0.5, context()) @ powers
    assert torch.equal(dropped, dropped[..., :1].expand_as(dropped))


def test_dropconnect_preserves_the_mean() -> None:
    known = context(outputs=5)
    layer = StackedLinear(Mlp(depth=0).build((7,), known), 7, 5)
    x = torch.randn(2, 1, 7, generator=torch.Generator().manual_seed(1))
    drawn = masked_linear(layer, x.expand(2, 40_000, 7), 0.3, known)
    error = drawn.std(1) / math.sqrt(40_000)
    assert ((drawn.mean(1) - layer(x)[:, 0]).abs() < 5 * error).all()
    assert (error > 0).all()


@pytest.mark.parametrize("probability", [0.2, 0.5])
def test_the_gradients_of_dropconnect_are_those_of_its_masks(probability: float) -> None:
    rows, inputs, outputs = 90, 20, 701
    masks = decoded(probability, rows, inputs, outputs).float()
    known = context(outputs=outputs)
    layer = StackedLinear(Mlp(depth=0).build((inputs,), known), inputs, outputs)
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(2, rows, inputs, generator=generator, requires_grad=True)
    pull = torch.randn(2, rows, outputs, generator=generator)
    leaves = [x, layer.weight, layer.bias]
    y = masked_linear(layer, x, probability, known)
    actual = torch.autograd.grad((y * pull).sum(), leaves)
    scale = 256 / (256 - round(probability * 256))
    expected = torch.einsum("tbf,tfh,tbfh->tbh", x, layer.weight, masks * scale) + layer.bias
    torch.testing.assert_close(y, expected, atol=1e-4, rtol=1e-4)
    for one, other in zip(actual, torch.autograd.grad((expected * pull).sum(), leaves), strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-4)


def test_dropconnect_acts_on_the_last_hidden_layer_alone_and_in_training_alone() -> None:
    network, x = made(Mlp(width=9, depth=2), dropconnect=0.5)
    assert torch.equal(network(x), network(x))
    assert not torch.equal(network(x, training=True), network(x, training=True))
    torch.nn.init.zeros_(network.get_parameter("hidden.1.weight"))
    assert torch.equal(network(x, training=True), network(x)), "nothing else is masked, biases are kept"


# ---- stochastic depth -------------------------------------------------------------------------------------------


def test_survival_falls_linearly_over_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    network, x = made(CNN, survival=0.5)
    assert isinstance(network, ResidualNetwork)
    asked: list[float] = []
    own = network.survive
    monkeypatch.setattr(network, "survive", lambda y, p, training: asked.append(p) or own(y, p, training))
    network(x, training=True)
    assert asked == [1 - block / 4 * 0.5 for block in (1, 2, 3, 4)]


@pytest.mark.parametrize("survival", [0.5, 0.8, 1 / 3])
def test_a_branch_survives_whole_or_not_at_all_and_its_mean_is_preserved(survival: float) -> None:
    network, _ = made(CNN)
    assert isinstance(network, ResidualNetwork)
    drawn = network.survive(torch.ones(20_000, 2, 3, 3), survival, training=True)
    each = drawn[:, 0, 0, 0]
    assert torch.equal(drawn, each.view(-1, 1, 1, 1).expand_as(drawn)), "one draw per example"
    torch.testing.assert_close(each.unique(), torch.tensor([0.0, 1 / survival]))
    error = math.sqrt((1 - survival) / survival / len(each))
    assert abs(float(each.mean()) - 1) < 5 * error


def test_stochastic_depth_is_off_at_evaluation() -> None:
    (network, x), (plain, _) = made(CNN, survival=0.5), made(CNN)
    assert torch.equal(network(x), plain(x))
    assert not torch.equal(network(x, training=True), network(x, training=True))
    assert torch.equal(plain(x, training=True), plain(x, training=True))


# ---- noise ------------------------------------------------------------------------------------------------------


def test_quick_normal_draws_are_normal_and_each_trials_own() -> None:
    draws = context().quick_normal("test", (300, 1001))
    assert draws.shape == (2, 300, 1001)
    values = draws.flatten(1).double().numpy()
    assert stats.kstest(values[0], "norm").pvalue > 1e-3
    assert abs(np.corrcoef(values)[0, 1]) < 5 / math.sqrt(values.shape[1])
    assert values.std() == pytest.approx(1, abs=0.005)
    for beyond in (2, 3, 4):
        count = (np.abs(values) > beyond).sum()
        expected = 2 * stats.norm.sf(beyond) * values.size
        assert abs(count - expected) < 5 * math.sqrt(expected)
    lags = [np.corrcoef(values[0, lag:], values[0, : values.shape[1] - lag])[0, 1] for lag in range(1, 9)]
    assert np.abs(lags).max() < 5 / math.sqrt(values.shape[1])


def test_every_level_of_quick_normal_is_drawn_and_its_variance_is_one() -> None:
    levels = context(1).quick_normal("test", (1_500_000,))[0].double().unique()
    assert len(levels) == 65_536
    assert levels.square().mean().item() == pytest.approx(1, abs=1e-6)
    assert torch.equal(levels, -levels.flip(0))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_input_noise_is_noise_on_the_inputs(spec: NetworkSpec) -> None:
    bare = dataclasses.replace(spec, normalisation="none")
    (network, x), (plain, _) = made(bare, input_noise=0.3), made(bare)
    noise = context(len(x)).quick_normal("input noise", tuple(x.shape[1:]))
    assert torch.equal(network(x, training=True), plain(x + noise * torch.tensor(0.3)))
    assert torch.equal(network(x), plain(x))


@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_hidden_noise_is_in_units_of_the_layers_own_deviation(sigma: float) -> None:
    x = torch.randn(2, 200, 50, generator=torch.Generator().manual_seed(4)) + 3
    x[1] *= 100
    x.requires_grad_()
    disturb = Disturbance(context(), 0.0, sigma, 0.0)
    y = disturb.hidden(x, training=True)
    noise = (y - x).detach().flatten(1)
    torch.testing.assert_close(noise.std(1), sigma * x.detach().flatten(1).std(1), rtol=0.02, atol=0)
    assert (noise.mean(1).abs() < 5 * noise.std(1) / 100).all()
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(gradient, torch.ones_like(x)), "the unit of the noise has no gradient"
    assert torch.equal(disturb.hidden(x, training=False), x)


def test_what_dropout_drops_stays_dropped_under_noise() -> None:
    y = Disturbance(context(), 0.0, 0.5, 0.5).hidden(torch.ones(2, 100, 100).cumsum(2), training=True)
    assert (y == 0).float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_noise_lies_in_memory_as_the_activations_do() -> None:
    disturb = Disturbance(context(1), 0.0, 0.5, 0.0)
    images = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(5))
    x = images.contiguous(memory_format=torch.channels_last)[None]
    y = disturb.hidden(x, training=True)
    assert y.shape == x.shape
    assert y.stride() == x.stride()
    plain = Disturbance(context(1), 0.0, 0.5, 0.0).hidden(x.permute(0, 1, 3, 4, 2), training=True)
    torch.testing.assert_close(y.permute(0, 1, 3, 4, 2), plain)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_hidden_noise_reaches_the_head_and_never_the_outputs(spec: NetworkSpec) -> None:
    network, x = made(spec, hidden_noise=0.5)
    assert torch.equal(network(x), network(x))
    assert not torch.equal(network(x, training=True), network(x, training=True))
    torch.nn.init.zeros_(network.get_parameter("head.weight"))
    assert torch.equal(network(x, training=True), network(x))


# ---- views of the weights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_views_per_unit_are_all_the_weights_and_reach_them(spec: NetworkSpec) -> None:
    network, _ = made(spec)
    weights, others = network.split()
    views = network.per_unit()
    assert [view.numel() for view in views] == [weight.numel() for weight in weights]
    before = [other.detach().clone() for other in others]
    with torch.no_grad():
        for view in views:
            view.fill_(2.0)
    assert all((weight == 2.0).all() for weight in weights)
    assert all(torch.equal(a, b) for a, b in zip(before, others, strict=True))


def test_a_row_of_a_view_is_what_comes_into_one_unit() -> None:
    for spec in (Mlp(width=9, depth=2), Gru(units=6)):
        network, _ = made(spec)
        for view, weight in zip(network.per_unit(), network.split()[0], strict=True):
            assert torch.equal(view, weight.mT)
    network, _ = made(Lstm(units=6))
    assert [view.shape for view in network.per_unit()] == [(1, 24, 2), (1, 24, 6), (1, 3, 6)]
    network, _ = made(CNN)
    for view, weight in zip(network.per_unit()[:-1], network.split()[0][:-1], strict=True):
        assert view.shape[:2] == weight.shape[:2]
        torch.testing.assert_close(view.norm(dim=2), weight.flatten(2).norm(dim=2))


# ---- all of them ------------------------------------------------------------------------------------------------


def fitted(spec: NetworkSpec, repeats: list[int], steps: int) -> training.Fit:
    kind = "table" if spec.kind == "mlp" else "image" if spec.kind == "residual-cnn" else "series"
    dataset = tiny.DATASETS[kind]
    recipe = dataclasses.replace(tiny.baseline(dataset, steps), network=spec)
    return training.fit(recipe, [tiny.prepared(dataset, recipe, repeat) for repeat in repeats], 3, steps)


@pytest.mark.parametrize(("spec", "fields"), CASES, ids=lambda one: str(getattr(one, "kind", one)))
def test_a_member_of_a_stack_equals_it_alone(spec: NetworkSpec, fields: dict[str, object]) -> None:
    changed = dataclasses.replace(spec, **fields)
    stack, alone = fitted(changed, [0, 1, 2], 6), fitted(changed, [2], 6)
    others = alone.network.state_dict()
    for name, value in stack.network.state_dict().items():
        assert torch.equal(value[2], others[name][0]), name


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_all_together_stay_finite(spec: NetworkSpec) -> None:
    fit = fitted(dataclasses.replace(spec, **TOGETHER, **OWN.get(spec.kind, {})), [0], 20)
    assert not fit.diverged.any()
    assert np.isfinite(fit.curve.train).all()
    assert all(value.isfinite().all() for value in fit.network.state_dict().values())


@pytest.mark.parametrize(
    ("spec", "fields", "complaint"),
    [
        (Mlp(), {"scale": 0.0}, "scale must be above 0 and at most 65536, got 0.0"),
        (Gru(), {"scale": float("nan")}, "scale must be above 0"),
        (CNN, {"scale": 1e4}, "channels of the last group must be at least 1 and at most 65536"),
        (Mlp(), {"scale": 2000.0}, "width times scale must be at least 1 and at most 65536, got 128000"),
        (Mlp(), {"normalisation": "group"}, "normalisation must be one of batch, layer, none, got 'group'"),
        (Lstm(), {"normalisation": ""}, "normalisation must be one of batch, layer, none, got ''"),
        (Mlp(), {"dropconnect": 1.0}, "dropconnect must be at least 0 and at most 0.99, got 1.0"),
        (Mlp(depth=0), {"dropconnect": 0.5}, "dropconnect acts on the last hidden layer, so depth must be at least 1"),
        (CNN, {"survival": 0.0}, "survival must be at least 0.01 and at most 1, got 0.0"),
        (Rnn(), {"input_noise": -0.1}, "input_noise must be at least 0 and at most 1000, got -0.1"),
        (CNN, {"hidden_noise": float("inf")}, "hidden_noise must be at least 0 and at most 1000, got inf"),
    ],
)
def test_bad_fields_are_refused(spec: NetworkSpec, fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        dataclasses.replace(spec, **fields)
