"""The fully connected network, many trials side by side."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from bench.networks.layers import ACTIVATIONS, Network, StackedLinear, drop
from bench.networks.specs import Mlp
from bench.stages.context import Context


class MlpNetwork(Network):
    """x [T, B, ...] is flattened to [T, B, F]; hidden layers, then a linear head to [T, B, C]."""

    def __init__(self, spec: Mlp, shape: Sequence[int], context: Context) -> None:
        super().__init__(context)
        sizes = [math.prod(shape), *[spec.width] * spec.depth]
        self.hidden = nn.ModuleList(StackedLinear(self, a, b) for a, b in pairwise(sizes))
        self.head = StackedLinear(self, sizes[-1], context.outputs)
        self._activation = ACTIVATIONS[spec.activation]
        self._dropout = spec.dropout

    def forward(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        """Return logits [T, B, C]."""
        x = x.flatten(2)
        for layer in self.hidden:
            x = self._activation(layer(x))
            if training:
                x = drop(x, self._dropout, self._context)
        return self.head(x)
