"""Slot ``network``, for images: what a recipe says of a convolutional network. torch is loaded when one is built."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bench.networks.specs import ACTIVATIONS, MOST_DEPTH, MOST_WIDTH, NetworkSpec, check_dropout
from bench.stages.base import require
from bench.stages.bounds import within

if TYPE_CHECKING:
    from bench.networks.layers import Network
    from bench.stages.context import Context

POOLINGS = ("average", "max", "stride")
NORMALISATIONS = ("batch", "none")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class ResidualCnn(NetworkSpec):
    """Residual network for small images (He 2016, CIFAR form), sized for a processor instead of an accelerator.

    A convolution of patches to ``width`` channels, then ``groups`` groups of ``depth`` residual blocks of two
    convolutions; each group after the first halves the sides and doubles the channels. The mean over what is left of
    the image feeds a linear head. Trials train one at a time.

    patch          side in pixels of the patches that become channels before the first convolution; it divides the
                   image's sides. Without it, half the time goes into memory traffic at full resolution
    filter         side of the convolutions' filters in pixels, odd
    pooling        how sides are halved: 'average' or 'max' over 2 x 2 pixels, or a 'stride' of 2
    normalisation  'batch' after every convolution, or 'none'
    dropout        probability that an activation is dropped between the convolutions of a block and before the head
    precision      of activations and products; weights, their sums and the loss are always float32
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
    normalisation: Literal["batch", "none"] = "batch"
    activation: Literal["relu", "tanh", "gelu", "silu", "elu", "leaky-relu", "sigmoid"] = "relu"
    dropout: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        """Check sizes and choices."""
        most = {"width": MOST_WIDTH, "depth": MOST_DEPTH, "groups": 16, "patch": 1_024, "filter": 1_023}
        for name, limit in most.items():
            within(name, getattr(self, name), 1, limit)
        within("channels of the last group", self.channels()[-1], 1, MOST_WIDTH)
        require(self.filter % 2 == 1, f"filter must be odd, so that it has a centre; got {self.filter}")
        choices = {
            "pooling": POOLINGS,
            "normalisation": NORMALISATIONS,
            "activation": ACTIVATIONS,
            "precision": PRECISIONS,
        }
        for name, allowed in choices.items():
            held = getattr(self, name)
            require(held in allowed, f"{name} must be one of {', '.join(allowed)}, got '{held}'")
        check_dropout(self.dropout)

    def build(self, shape: Sequence[int], context: "Context") -> "Network":
        """Return the network for one trial of images [channels, height, width]."""
        if shape[1] % self.patch or shape[2] % self.patch:
            raise ValueError(f"patch {self.patch} does not divide images of {shape[1]} x {shape[2]} pixels")
        from bench.networks.residual import ResidualNetwork

        return ResidualNetwork(self, shape, context)

    def channels(self) -> list[int]:
        """Return the channels of each group."""
        return [self.width * 2**group for group in range(self.groups)]

    def flops(self, shape: Sequence[int], outputs: int) -> float:
        """Return the cost of the convolutions, shortcuts and head."""
        inputs, height, width = shape
        area = self.filter**2
        height, width = height // self.patch, width // self.patch
        total = height * width * area * inputs * self.patch**2 * self.width
        held = self.width
        for channels in self.channels():
            if channels != self.width:
                height, width = (height + 1) // 2, (width + 1) // 2
            total += height * width * channels * (held * area + channels * area + held * (held != channels))
            total += height * width * channels * channels * area * 2 * (self.depth - 1)
            held = channels
        return 2.0 * (total + held * outputs)
