"""The fully connected network, many trials side by side."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from bench.networks.dropconnect import masked_linear
from bench.networks.layers import ACTIVATIONS, Disturbance, Network, StackedLinear, make_head
from bench.networks.normalising import normaliser
from bench.networks.specs import Mlp
from bench.stages.context import Context


class MlpNetwork(Network):
    """x [T, B, ...] is flattened to [T, B, F]; hidden layers, then a linear head to [T, B, C]."""

    def __init__(self, spec: Mlp, shape: Sequence[int], context: Context) -> None:
        super().__init__(context)
        sizes = spec.sizes(math.prod(shape))
        self.hidden = nn.ModuleList(StackedLinear(self, a, b) for a, b in pairwise(sizes))
        self.head = make_head(self, spec, sizes[-1], context.outputs)
        self.norms = nn.ModuleList(
            normaliser(spec.normalisation, context.trials, size, context.device) for size in sizes[1:]
        )
        self._activation = ACTIVATIONS[spec.activation]
        self._disturb = Disturbance(context, spec.input_noise, spec.hidden_noise, spec.dropout)
        self._dropconnect = spec.dropconnect

    def features(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        """Return the last hidden layer's activations [T, B, H]."""
        x = self._disturb.inputs(x.flatten(2), training)
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            assert isinstance(layer, StackedLinear)
            if training and layer is self.hidden[-1]:
                x = masked_linear(layer, x, self._dropconnect, self._context)
            else:
                x = layer(x)
            x = self._disturb.hidden(self._activation(norm(x, training)), training)
        return x
