"""Free references for forecasts: no training, only what a line of arithmetic gives."""

import math
from collections.abc import Sequence

import torch

from bench.networks.layers import Network, StackedLinear
from bench.stages.context import Context


class LastValueNetwork(Network):
    """Every future point equals the last point of the window."""

    def forward(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        """Return the last point [T, B, K], repeated for each target."""
        return x[:, :, -1, :1].expand(-1, -1, self._context.outputs)

    def solve(self, inputs: Sequence[torch.Tensor], targets: Sequence[torch.Tensor]) -> None:
        """Nothing to solve."""


class LinearAutoregressionNetwork(Network):
    """The least-squares linear map (with intercept) from the window to the targets."""

    def __init__(self, shape: Sequence[int], context: Context) -> None:
        super().__init__(context)
        self.head = StackedLinear(self, math.prod(shape), context.outputs)

    def features(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        """Return the points of the windows [T, B, F]."""
        return x.flatten(2)

    @torch.no_grad()
    def solve(self, inputs: Sequence[torch.Tensor], targets: Sequence[torch.Tensor]) -> None:
        """Set weights by least squares in float64, per trial."""
        for trial, (x, y) in enumerate(zip(inputs, targets, strict=True)):
            flat = x.flatten(1).double()
            design = torch.cat([flat, torch.ones(len(flat), 1, dtype=torch.float64, device=flat.device)], 1)
            solution = torch.linalg.lstsq(design, y.double()).solution
            self.head.weight[trial] = solution[:-1].float()
            self.head.bias[trial, 0] = solution[-1].float()
