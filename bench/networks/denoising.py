"""A denoising autoencoder around the body of a network: pretraining without labels (Vincent 2008)."""

import dataclasses

import torch

from bench.networks.layers import Network, StackedLinear
from bench.stages.context import Context

PREFIX = "pretraining "  # of the purposes of its random streams, which are apart from the training's


class Denoiser(Network):
    """A network's features of noisy inputs, and a linear decoder back to the clean ones.

    clean: a batch [T, B, ...] that tells the sizes; noise: standard deviation, in units of the standardised inputs.
    """

    def __init__(self, body: Network, clean: torch.Tensor, context: Context, noise: float) -> None:
        super().__init__(dataclasses.replace(context, pixels=None, prefix=PREFIX, _generators={}))
        self._noise = noise
        self.body = body
        with torch.no_grad():
            hidden = body.features(clean[:, :1]).shape[-1]
        self.head = StackedLinear(self, hidden, clean[0, 0].numel())

    def features(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        """Return the body's features [T, B, H]."""
        return self.body.features(x, training)

    def losses(self, clean: torch.Tensor) -> torch.Tensor:
        """Return the mean squared error [T] of what is made of noisy copies of inputs [T, B, ...]."""
        noisy = clean + self._context.quick_normal("noise", tuple(clean.shape[1:])).mul_(self._noise)
        return (self(noisy, training=True) - clean.flatten(2)).square().mean((1, 2))
