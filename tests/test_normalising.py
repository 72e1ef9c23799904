"""Normalisation, and the refreshing of its statistics, against torch's own modules; image networks: test_networks."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from bench.keys import Streams
from bench.networks.layers import Network
from bench.networks.specs import Gru, Lstm, Mlp, Recurrent, Rnn
from bench.stages.context import Context

KINDS = ["batch", "layer"]
TORCH = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
SPECS = [Mlp(width=7, depth=2), Rnn(units=5, layers=2), Gru(units=5, layers=2, pool="mean"), Lstm(units=5, layers=2)]


def context(trials: int) -> Context:
    streams = [Streams(1, "normalising", repeat, 0) for repeat in range(trials)]
    return Context([], [], None, 3, False, streams, torch.device("cpu"))


def norm_of(kind: str, units: int) -> nn.Module:
    return nn.BatchNorm1d(units) if kind == "batch" else nn.LayerNorm(units)


class PlainRecurrent(nn.Module):
    """Two torch layers, each followed by a norm: over batch and time between them, over the batch before the head."""

    def __init__(self, spec: Recurrent, kind: str) -> None:
        super().__init__()
        layer = TORCH[spec.kind]
        self.first, self.second = (layer(size, spec.units, batch_first=True) for size in (2, spec.units))
        self.norms = nn.ModuleList(norm_of(kind, spec.units) for _ in range(2))
        self.head = nn.Linear(spec.units, 3)
        self.pool = spec.pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        between = self.first(x)[0]
        between = self.norms[0](between.flatten(0, 1)).view_as(between)
        states = self.second(between)[0]
        return self.head(self.norms[1](states.mean(1) if self.pool == "mean" else states[:, -1]))


def copy_linear(layer: nn.Linear, state: dict[str, torch.Tensor], name: str) -> None:
    layer.weight.data, layer.bias.data = state[f"{name}.weight"].t().clone(), state[f"{name}.bias"][0].clone()


def plain(spec: Mlp | Recurrent, kind: str, network: Network, trial: int) -> nn.Module:
    """The ordinary model with the initial weights of one trial; its norms start as torch's do."""
    state = {name: p.detach()[trial] for name, p in network.named_parameters()}
    if isinstance(spec, Mlp):
        layers: list[nn.Module] = []
        for index, inputs in enumerate((4, spec.width)):
            linear = nn.Linear(inputs, spec.width)
            copy_linear(linear, state, f"hidden.{index}")
            layers += [linear, norm_of(kind, spec.width), nn.ReLU()]
        head = nn.Linear(spec.width, 3)
        copy_linear(head, state, "head")
        return nn.Sequential(*layers, head)
    model = PlainRecurrent(spec, kind)
    for index, layer in enumerate((model.first, model.second)):
        for ours, theirs in (("input", "ih"), ("state", "hh")):
            weight = state[f"layers.{index}.{ours}_weight"]
            setattr(layer, f"weight_{theirs}_l0", nn.Parameter((weight if spec.kind == "lstm" else weight.t()).clone()))
            bias = state[f"layers.{index}.{ours}_bias"][0]
            setattr(layer, f"bias_{theirs}_l0", nn.Parameter(bias.clone()))
    copy_linear(model.head, state, "head")
    return model


def made(spec: Mlp | Recurrent, kind: str, rows: int = 12) -> tuple[Network, list[nn.Module], torch.Tensor]:
    """A stack, the ordinary model of each of its trials, and inputs of 6 batches [6, T, B, ...]."""
    trials = 2 if spec.stacks else 1
    shape = (4,) if isinstance(spec, Mlp) else (6, 2)
    network = type(spec)(**{**vars(spec), "normalisation": kind}).build(shape, context(trials))
    x = torch.randn(6, trials, rows, *shape, generator=torch.Generator().manual_seed(3)) * 2 + 1
    return network, [plain(spec, kind, network, trial) for trial in range(trials)], x


def train(forward, parameters, inputs: torch.Tensor) -> None:
    optimizer = torch.optim.SGD(parameters, lr=0.05)
    for x in inputs:
        optimizer.zero_grad()
        forward(x).square().flatten(-2).mean(-1).sum().backward()
        optimizer.step()


def same_statistics(network: Network, models: list[nn.Module]) -> None:
    """Running means and variances of the stack are those of the ordinary models, and not what they began as."""
    buffers = dict(network.named_buffers())
    for trial, model in enumerate(models):
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d)]
        assert len(norms) == 2
        for index, norm in enumerate(norms):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            assert norm.running_mean.abs().max() > 0.01
            torch.testing.assert_close(buffers[f"norms.{index}.mean"][trial], norm.running_mean)
            torch.testing.assert_close(buffers[f"norms.{index}.variance"][trial], norm.running_var)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_after_some_steps_it_equals_torchs_module_with_its_running_statistics(spec, kind: str) -> None:
    network, models, x = made(spec, kind)
    train(lambda x: network(x, training=True), network.parameters(), x)
    for trial, model in enumerate(models):
        train(model, model.parameters(), x[:, trial])
    if kind == "batch":
        same_statistics(network, models)
    for trial, model in enumerate(models):
        torch.testing.assert_close(network(x[0])[trial], model.eval()(x[0, trial]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_evaluation_leaves_the_statistics_alone(spec) -> None:
    network, _, x = made(spec, "batch")
    network(x[0], training=True)
    before = {name: value.clone() for name, value in network.named_buffers()}
    network(x[1])
    assert len(before) == 4
    for name, value in network.named_buffers():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_gains_and_biases_are_no_weights_and_start_as_nothing(spec, kind: str) -> None:
    network, _, _ = made(spec, kind)
    bare, _, _ = made(spec, "none")
    weights, others = network.split()
    assert [w.shape for w in weights] == [w.shape for w in bare.split()[0]]
    assert len(others) == len(bare.split()[1]) + 4
    for name, value in bare.named_parameters():
        assert torch.equal(value, network.get_parameter(name)), "initial weights stay the same"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_refreshed_statistics_are_those_of_torchs_update(spec) -> None:
    network, models, x = made(spec, "batch")
    network(x[5] * 9, training=True)
    network.refresh(iter(x[:5]))
    for trial, model in enumerate(models):
        update_bn(x[:5, trial], model)
    same_statistics(network, models)
    network(x[5], training=True)
    for trial, model in enumerate(models):
        for norm in model.modules():
            if isinstance(norm, nn.BatchNorm1d):
                norm.momentum = 0.1
        model.train()(x[5, trial])
    same_statistics(network, models)


@pytest.mark.parametrize("kind", ["none", "layer"])
def test_without_batch_normalisation_no_batch_is_asked_for(kind: str) -> None:
    def batches() -> Iterator[torch.Tensor]:
        raise AssertionError("asked for a batch")
        yield

    for spec in SPECS:
        made(spec, kind)[0].refresh(batches())


def test_weights_are_left_as_they_are_by_refreshing() -> None:
    network, _, x = made(SPECS[0], "batch")
    before = [p.detach().clone() for p in network.parameters()]
    network.refresh(x)
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, network.parameters(), strict=True))


def test_a_batch_of_one_row_has_no_variance() -> None:
    network, _, x = made(SPECS[0], "batch", rows=1)
    with pytest.raises(ValueError, match="batch normalisation needs at least 2 rows in a batch, got 1"):
        network(x[0], training=True)
    assert network(x[0]).isfinite().all()
