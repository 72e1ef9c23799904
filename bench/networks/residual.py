"""The residual network for images, one trial at a time: channels last in memory, float32 or bfloat16 arithmetic.

x [1, B, channels, height, width]. Weights are [1, out, in, k, k] with a trial axis like every other network's, so that
stages see one kind of parameter. The axis is taken off by ``squeeze``: the gradient of ``[0]`` is a copy, and channels
first.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from bench.networks.image_specs import ResidualCnn
from bench.networks.layers import ACTIVATIONS, Disturbance, Network, Weighted, make_head
from bench.networks.normalising import EPSILON, Running
from bench.stages.context import Context

LEVELS = 2**24  # of the draws that decide which residual branches survive


class _Convolution(Running, Weighted):
    """A convolution and, where asked for, normalisation; x [B, in, H, W] -> [B, out, H', W'].

    Initial weights are uniform with He's variance 2 / fan-in (He 2015, eq. 10).
    """

    def __init__(self, network: Network, inputs: int, outputs: int, side: int, stride: int, normalisation: str) -> None:
        super().__init__()
        bound = math.sqrt(6 / (inputs * side * side))
        weight = network.uniform(bound, outputs, inputs, side, side)
        self.weight = nn.Parameter(weight.detach()[0].contiguous(memory_format=torch.channels_last)[None])
        self.bias = nn.Parameter(torch.zeros(1, outputs, device=weight.device))
        self._side, self._stride, self._normalisation = side, stride, normalisation
        self.area = side * side
        if normalisation != "none":
            self.gain = nn.Parameter(torch.ones(1, outputs, device=weight.device))
        if normalisation == "batch":
            self.track(1, outputs, weight.device)

    def forward(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        """Return the normalised responses; running statistics follow in training and are used otherwise."""
        weight, own = self.weight.squeeze(0).to(x.dtype), self.bias.squeeze(0)
        if self._normalisation == "none":
            return functional.conv2d(x, weight, own.to(x.dtype), self._stride, self._side // 2)
        x, gain = functional.conv2d(x, weight, None, self._stride, self._side // 2), self.gain.squeeze(0)
        if self._normalisation == "layer":
            return functional.group_norm(x, 1, gain, own, EPSILON)
        mean, variance = self.mean.squeeze(0), self.variance.squeeze(0)
        return functional.batch_norm(x, mean, variance, gain, own, training, self.momentum, EPSILON)

    def per_unit(self) -> list[torch.Tensor]:
        """Return the filters [1, out, k k in], in the order in which they lie in memory."""
        return [self.weight.permute(0, 1, 3, 4, 2).view(1, self.weight.shape[1], -1)]


class _Block(nn.Module):
    """Two convolutions beside a shortcut, which is a 1 x 1 convolution where the channels change.

    survival: probability that the convolutions' part survives in training, for each example.
    """

    def __init__(
        self, network: Network, spec: ResidualCnn, inputs: int, outputs: int, halving: bool, survival: float
    ) -> None:
        super().__init__()
        norm = spec.normalisation
        self._survival = survival
        self._pool = _pool(spec.pooling) if halving else None
        stride = 2 if halving and spec.pooling == "stride" else 1
        self.first = _Convolution(network, inputs, outputs, spec.filter, stride, norm)
        self.second = _Convolution(network, outputs, outputs, spec.filter, 1, norm)
        changes = inputs != outputs or stride != 1
        self.shortcut = _Convolution(network, inputs, outputs, 1, stride, norm) if changes else None

    def forward(self, x: torch.Tensor, network: "ResidualNetwork", training: bool) -> torch.Tensor:
        """Return the block's activations."""
        if self._pool is not None:
            x = self._pool(x)
        y = network.activate(self.first(x, training))
        y = network.survive(self.second(network.disturb(y, training), training), self._survival, training)
        return network.activate(y.add_(x if self.shortcut is None else self.shortcut(x, training)))


def _pool(pooling: str) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Return the function that halves the sides (an odd side keeps its last row), or None for strides."""
    if pooling == "stride":
        return None
    pool = functional.max_pool2d if pooling == "max" else functional.avg_pool2d
    return lambda x: pool(x, 2, ceil_mode=True)


class ResidualNetwork(Network):
    """Stem, groups of residual blocks, mean over the image, head."""

    def __init__(self, spec: ResidualCnn, shape: Sequence[int], context: Context) -> None:
        if context.trials != 1:
            raise ValueError(f"the residual network trains one trial at a time, got a stack of {context.trials}")
        super().__init__(context)
        self._patch = spec.patch
        self.stem = _Convolution(self, shape[0] * spec.patch**2, spec.channels()[0], spec.filter, 1, spec.normalisation)
        self.blocks = nn.ModuleList()
        held = spec.channels()[0]
        survivals = iter(spec.survivals())
        for channels in spec.channels():
            for index in range(spec.depth):
                halving = index == 0 and channels != spec.channels()[0]
                self.blocks.append(_Block(self, spec, held, channels, halving, next(survivals)))
                held = channels
        self.head = make_head(self, spec, held, context.outputs)
        self.activate = ACTIVATIONS[spec.activation]
        self._precision = torch.bfloat16 if spec.precision == "bfloat16" else torch.float32
        self._disturb = Disturbance(context, spec.input_noise, spec.hidden_noise, spec.dropout)

    def features(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        """Return the means over the image float32 [1, B, channels]."""
        y = functional.pixel_unshuffle(self._disturb.inputs(x, training).squeeze(0), self._patch)
        y = y.to(self._precision, memory_format=torch.channels_last)
        y = self.activate(self.stem(y, training))
        for block in self.blocks:
            y = block(y, self, training)
        # Over a view with the channels last: the gradient of a mean over (2, 3) lies channels first, which is slow.
        pooled = y.permute(0, 2, 3, 1).flatten(1, 2).mean(1, dtype=torch.float32)
        return self.disturb(pooled, training)[None]

    def disturb(self, x: torch.Tensor, training: bool) -> torch.Tensor:
        """Return activations [B, ...] with noise and dropout, in training."""
        return self._disturb.hidden(x[None], training).squeeze(0)

    def survive(self, y: torch.Tensor, survival: float, training: bool) -> torch.Tensor:
        """Return residual branches [B, ...], in training each whole over its survival or 0; y is overwritten.

        As torchvision.ops.stochastic_depth with mode 'row', with this trial's own draws.
        """
        kept = round(survival * LEVELS)
        if not training or kept == LEVELS:
            return y
        draws = self._context.integers("stochastic depth", 0, LEVELS, (len(y),)).squeeze(0)
        factors = (draws < kept).to(y.dtype).div_(kept / LEVELS)
        return y.mul_(factors.view(-1, *[1] * (y.dim() - 1)))
