"""What stacked networks share: the trial axis, initial weights per trial, dropout with a draw per trial.

Parameters are [T, ...]; a forward pass takes x [T, B, ...] and gives [T, B, C]. A network has no training mode:
noise is drawn when the caller says ``training=True`` and never otherwise.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from bench.stages.context import Context

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": functional.relu,
    "tanh": torch.tanh,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "elu": functional.elu,
    "leaky-relu": functional.leaky_relu,
    "sigmoid": torch.sigmoid,
}


class Network(nn.Module):
    """Base of the stacked networks. Parameters whose name ends in 'weight' are weights; others are never penalised."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        if context.pixels is not None:
            pixels = torch.from_numpy(context.pixels).to(context.device)[:, :, None, :, None, None]
            self.register_buffer("pixel_mean", pixels[:, 0])
            self.register_buffer("pixel_deviation", pixels[:, 1])

    def entry(self, x: torch.Tensor) -> torch.Tensor:
        """Return inputs as floats: pixels uint8 [T, B, channels, H, W] standardised, everything else as it is."""
        if x.dtype != torch.uint8:
            return x
        return x.float().sub_(self.get_buffer("pixel_mean")).div_(self.get_buffer("pixel_deviation"))

    def forward(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        """Return outputs [T, B, C] for the entry's inputs [T, B, ...]."""
        raise NotImplementedError

    def solve(self, inputs: Sequence[torch.Tensor], targets: Sequence[torch.Tensor]) -> None:
        """Set the weights of a closed-form network from each trial's training rows [N_t, ...], [N_t, K]."""
        raise NotImplementedError

    def split(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Return the weights, and the other parameters."""
        named = list(self.named_parameters())
        weights = [p for name, p in named if name.endswith("weight")]
        return weights, [p for name, p in named if not name.endswith("weight")]

    def uniform(self, bound: float, *shape: int) -> nn.Parameter:
        """Return a parameter [T, *shape], uniform within +-bound, each trial's from its own stream 'weights'.

        Drawn in the order in which a network asks, so that networks whose first layers agree start alike there.
        """
        out = torch.empty((self._context.trials, *shape))
        for row, generator in zip(out, self._context.generators("weights"), strict=True):
            row.uniform_(-bound, bound, generator=generator)
        return nn.Parameter(out.to(self._context.device))


class StackedLinear(nn.Module):
    """T linear layers side by side: x [T, B, F] -> [T, B, H]. Initial weights as torch.nn.Linear's."""

    def __init__(self, network: Network, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = network.uniform(bound, inputs, outputs)
        self.bias = network.uniform(bound, 1, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x W + b."""
        return torch.baddbmm(self.bias, x, self.weight)


def drop(x: torch.Tensor, probability: float, context: Context) -> torch.Tensor:
    """Return x [T, B, H] with elements dropped with ``probability`` (in steps of 1/256) and the rest scaled up.

    The scale is that of the probability really used, so the mean is preserved exactly in expectation.
    """
    cut = round(probability * 256)
    if cut == 0:
        return x
    octets = context.octets("dropout", x[0].numel()).view(x.shape)
    return x * (octets >= cut).to(x.dtype).mul_(256 / (256 - cut))
