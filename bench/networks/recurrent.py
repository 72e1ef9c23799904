"""Recurrent networks: vanilla and GRU with many trials side by side, LSTM by torch's kernel one trial at a time.

x [T, B, L, channels]; the state after the last point (or the states pooled over time) feeds a linear
head. Initial weights are uniform within
+-1/sqrt(units), as torch's recurrent layers have them.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.func import functional_call

from bench.networks.layers import Disturbance, Network, Weighted, make_head
from bench.networks.normalising import normaliser
from bench.networks.specs import Gru, Lstm, Recurrent, Rnn
from bench.stages.context import Context

States = list[torch.Tensor] | torch.Tensor  # L states [T, B, units], or all in one tensor [L, T, B, units]


def _over_time(states: States) -> torch.Tensor:
    """Return states as one tensor [L, T, B, units]."""
    return states if isinstance(states, torch.Tensor) else torch.stack(states)


class _Layer(Weighted):
    """The parameters of one recurrent layer with G gates: [T, in, G units], [T, units, G units], two biases.

    outputs_first: weights are [T, G units, in] and [T, G units, units], as torch's kernel takes them.
    """

    def __init__(self, network: Network, inputs: int, units: int, gates: int, outputs_first: bool) -> None:
        super().__init__()
        self.units, self.gates, self._outputs_first = units, gates, outputs_first
        bound = 1 / math.sqrt(units)

        def weight(size: int) -> nn.Parameter:
            shape = (gates * units, size) if outputs_first else (size, gates * units)
            return network.uniform(bound, *shape)

        self.input_weight = weight(inputs)
        self.state_weight = weight(units)
        self.input_bias = network.uniform(bound, 1, gates * units)
        self.state_bias = network.uniform(bound, 1, gates * units)

    def per_unit(self) -> list[torch.Tensor]:
        """Return the weights of each gate's units, [T, G units, in] and [T, G units, units]."""
        weights = self.input_weight, self.state_weight
        return [weight if self._outputs_first else weight.transpose(1, 2) for weight in weights]

    def project(self, x: torch.Tensor, bias: torch.Tensor) -> list[torch.Tensor]:
        """Return the input's part of every gate, for all points at once: L tensors [T, B, G units]."""
        trials, batch, length, channels = x.shape
        by_time = x.transpose(1, 2).reshape(trials, length * batch, channels)
        projected = torch.baddbmm(bias, by_time, self.input_weight)
        return list(projected.view(trials, length, batch, -1).unbind(1))


class _RecurrentNetwork(Network):
    """Layers, and the head; between them and before the head normalisation, noise and dropout."""

    _outputs_first = False

    def __init__(self, spec: Recurrent, shape: Sequence[int], context: Context) -> None:
        super().__init__(context)
        sizes = spec.sizes(shape[1])
        self.layers = nn.ModuleList(_Layer(self, a, b, spec.gates, self._outputs_first) for a, b in pairwise(sizes))
        self.head = make_head(self, spec, sizes[-1], context.outputs)
        self.norms = nn.ModuleList(
            normaliser(spec.normalisation, context.trials, size, context.device) for size in sizes[1:]
        )
        self._disturb = Disturbance(context, spec.input_noise, spec.hidden_noise, spec.dropout)
        self._pool = spec.pool

    def features(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        """Return what the head sees of the last layer's states, [T, B, units]."""
        x = self._disturb.inputs(x, training)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            states = self._run(layer, x)
            x = self._pooled(states) if layer is self.layers[-1] else _over_time(states).permute(1, 2, 0, 3)
            x = self._disturb.hidden(norm(x, training), training)
        return x

    def _pooled(self, states: States) -> torch.Tensor:
        """Return what the head sees, [T, B, units], of L states."""
        if self._pool == "last":
            return states[-1]
        together = _over_time(states)
        return together.amax(0) if self._pool == "max" else together.mean(0)

    def _run(self, layer: nn.Module, x: torch.Tensor) -> States:
        """Return the states [T, B, units] after each of the L points."""
        raise NotImplementedError


class RnnNetwork(_RecurrentNetwork):
    """h = tanh(W x + U h + b)."""

    def __init__(self, spec: Rnn, shape: Sequence[int], context: Context) -> None:
        super().__init__(spec, shape, context)

    def _run(self, layer: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
        assert isinstance(layer, _Layer)
        points = layer.project(x, layer.input_bias + layer.state_bias)
        states = [torch.tanh(points[0])]
        for point in points[1:]:
            states.append(torch.tanh(torch.baddbmm(point, states[-1], layer.state_weight)))
        return states


class GruNetwork(_RecurrentNetwork):
    """r, z = sigmoid(...); n = tanh(W x + r * (U h + b)); h = (1 - z) n + z h."""

    def __init__(self, spec: Gru, shape: Sequence[int], context: Context) -> None:
        super().__init__(spec, shape, context)

    def _run(self, layer: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
        assert isinstance(layer, _Layer)
        units = layer.units
        points = layer.project(x, layer.input_bias)
        state = x.new_zeros(x.shape[0], x.shape[1], units)
        states = []
        for point in points:
            own = torch.baddbmm(layer.state_bias, state, layer.state_weight)
            reset, keep = torch.sigmoid(point[..., : 2 * units] + own[..., : 2 * units]).chunk(2, 2)
            new = torch.tanh(torch.addcmul(point[..., 2 * units :], reset, own[..., 2 * units :]))
            state = torch.lerp(new, state, keep)
            states.append(state)
        return states


class LstmNetwork(_RecurrentNetwork):
    """torch.nn.LSTM's kernel on the one trial of this stack (T = 1)."""

    _outputs_first = True

    def __init__(self, spec: Lstm, shape: Sequence[int], context: Context) -> None:
        if context.trials != 1:
            raise ValueError(f"the LSTM trains one trial at a time, got a stack of {context.trials}")
        super().__init__(spec, shape, context)
        sizes = pairwise(spec.sizes(shape[1]))
        self._kernels = [nn.LSTM(a, b, batch_first=True, device="meta") for a, b in sizes]

    def _run(self, layer: nn.Module, x: torch.Tensor) -> States:
        assert isinstance(layer, _Layer)
        kernel = self._kernels[list(self.layers).index(layer)]
        weights = {
            "weight_ih_l0": layer.input_weight[0],
            "weight_hh_l0": layer.state_weight[0],
            "bias_ih_l0": layer.input_bias[0, 0],
            "bias_hh_l0": layer.state_bias[0, 0],
        }
        outputs, _ = functional_call(kernel, weights, (x[0],))
        return outputs[None].permute(2, 0, 1, 3)
