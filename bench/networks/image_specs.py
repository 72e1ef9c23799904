"""Slot ``network``, for images: what a recipe says of a convolutional network. torch is loaded when one is built."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bench.keys import added
from bench.networks.base import (
    ACTIVATIONS,
    HEAD_SCALE,
    MOST_DEPTH,
    MOST_WIDTH,
    NORMALISATIONS,
    NetworkSpec,
    check_choice,
    check_disturbance,
    check_head,
    check_size,
    scaled,
)
from bench.stages.base import require
from bench.stages.bounds import within

if TYPE_CHECKING:
    from bench.networks.layers import Network
    from bench.stages.context import Context

POOLINGS = ("average", "max", "stride")
LEAST_SURVIVAL = 0.01
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class ResidualCnn(NetworkSpec):
    """Residual network for small images (He 2016, CIFAR form), sized for a processor instead of an accelerator.

    A convolution of patches to ``width`` times ``scale`` channels, then ``groups`` groups of ``depth`` residual blocks
    of two convolutions; each group after the first halves the sides and doubles the channels. The mean over what is
    left of the image feeds a linear head. Trials train one at a time.

    patch          side in pixels of the patches that become channels before the first convolution; it divides the
                   image's sides. Without it, half the time goes into memory traffic at full resolution
    filter         side of the convolutions' filters in pixels, odd
    pooling        how sides are halved: 'average' or 'max' over 2 x 2 pixels, or a 'stride' of 2
    normalisation  after every convolution: 'batch'; 'layer', each example over its channels and pixels with a gain and
                   bias per channel (group normalisation with one group); or 'none'
    dropout        acts between the convolutions of a block and before the head
    precision      of activations and products; weights, their sums and the loss are always float32
    survival       probability that the last block's residual branch survives in training, drawn for each example; it
                   falls linearly from 1: block l of L survives with 1 - l / L * (1 - survival), in steps of 2^-24,
                   and what survives is divided by it (stochastic depth: Huang 2016)
    """

    kind: ClassVar[str] = "residual-cnn"
    weight: ClassVar[float] = 500.0
    stacks: ClassVar[bool] = False
    width: int = 32
    depth: int = 1
    groups: int = 3
    patch: int = 2
    filter: int = 3
    pooling: Literal["average", "max", "stride"] = "average"
    normalisation: Literal["batch", "layer", "none"] = "batch"
    activation: Literal["relu", "tanh", "gelu", "silu", "elu", "leaky-relu", "sigmoid"] = "relu"
    dropout: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    scale: float = added(1.0)
    survival: float = added(1.0)
    input_noise: float = added(0.0)
    hidden_noise: float = added(0.0)
    head: Literal["linear", "cosine"] = added("linear")
    head_scale: float = added(HEAD_SCALE)

    def __post_init__(self) -> None:
        """Check sizes and choices."""
        check_size("width", self.width, self.scale)
        most = {"depth": MOST_DEPTH, "groups": 16, "patch": 1_024, "filter": 1_023}
        for name, limit in most.items():
            within(name, getattr(self, name), 1, limit)
        within("channels of the last group", self.channels()[-1], 1, MOST_WIDTH)
        require(self.filter % 2 == 1, f"filter must be odd, so that it has a centre; got {self.filter}")
        check_choice("pooling", self.pooling, POOLINGS)
        check_choice("normalisation", self.normalisation, NORMALISATIONS)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("precision", self.precision, PRECISIONS)
        check_disturbance(self.dropout, self.input_noise, self.hidden_noise)
        check_head(self.head, self.head_scale)
        within("survival", self.survival, LEAST_SURVIVAL, 1)

    def build(self, shape: Sequence[int], context: "Context") -> "Network":
        """Return the network for one trial of images [channels, height, width]."""
        if shape[1] % self.patch or shape[2] % self.patch:
            raise ValueError(f"patch {self.patch} does not divide images of {shape[1]} x {shape[2]} pixels")
        from bench.networks.residual import ResidualNetwork

        return ResidualNetwork(self, shape, context)

    def channels(self) -> list[int]:
        """Return the channels of each group."""
        return [scaled(self.width, self.scale) * 2**group for group in range(self.groups)]

    def survivals(self) -> list[float]:
        """Return the probability that the residual branch survives, of each block in turn (Huang 2016, linear rule)."""
        blocks = self.groups * self.depth
        return [1 - block / blocks * (1 - self.survival) for block in range(1, blocks + 1)]

    def flops(self, shape: Sequence[int], outputs: int) -> float:
        """Return the cost of the convolutions, shortcuts and head."""
        inputs, height, width = shape
        area = self.filter**2
        height, width = height // self.patch, width // self.patch
        held = self.channels()[0]
        total = height * width * area * inputs * self.patch**2 * held
        for channels in self.channels():
            if channels != self.channels()[0]:
                height, width = (height + 1) // 2, (width + 1) // 2
            total += height * width * channels * (held * area + channels * area + held * (held != channels))
            total += height * width * channels * channels * area * 2 * (self.depth - 1)
            held = channels
        return 2.0 * (total + held * outputs)
