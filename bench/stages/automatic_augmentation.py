"""Slot ``augment``, for images: each image gets operations drawn from a list, after torchvision's classes.

Operations, magnitudes and signs are those of torchvision.transforms.v2.RandAugment and TrivialAugmentWide (31 levels,
nearest pixels, zero outside), which draw once for a whole batch; here every image has its own draw.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.augmentation import Augment
from bench.stages.base import require
from bench.stages.context import Context
from bench.stages.image_augmentation import unchanged

if TYPE_CHECKING:
    import torch

    from bench.stages.augmentation import Augmenter
    from bench.stages.image_operations import Choice

LEVELS = 31  # magnitudes of an operation, from none to the largest


@dataclass(frozen=True)
class RandAugment(Augment):
    """``operations`` operations in turn, each drawn out of 14, all at one magnitude.

    magnitude: level from 0 to 30. Source: Cubuk et al. 2020.
    """

    kind: ClassVar[str] = "randaugment"
    operations: int = 2
    magnitude: int = 9

    def __post_init__(self) -> None:
        """Check the numbers."""
        require(self.operations >= 0, f"operations must be at least 0, got {self.operations}")
        require(0 <= self.magnitude < LEVELS, f"magnitude must be a level from 0 to {LEVELS - 1}, got {self.magnitude}")

    def begin(self, context: Context) -> "Augmenter":
        """Return the function that distorts x [T, B, channels, H, W]."""
        from bench.stages.image_operations import Reach, choices

        if self.operations == 0:
            return unchanged
        height, width = context.inputs[0].shape[2:]
        reach = Reach(0.3, 150 / 331 * width, 150 / 331 * height, 30.0, 0.9, 4)
        return _distort(self.kind, context, choices(reach, LEVELS, [self.magnitude]), self.operations)


@dataclass(frozen=True)
class TrivialAugment(Augment):
    """One operation out of 14 at a drawn magnitude; nothing to tune. Source: Mueller and Hutter 2021 (wide space)."""

    kind: ClassVar[str] = "trivialaugment"

    def begin(self, context: Context) -> "Augmenter":
        """Return the function that distorts x [T, B, channels, H, W]."""
        from bench.stages.image_operations import Reach, choices

        reach = Reach(0.99, 32.0, 32.0, 135.0, 0.99, 6)
        return _distort(self.kind, context, choices(reach, LEVELS, range(LEVELS)), 1)


def _distort(purpose: str, context: Context, among: "list[Choice]", times: int) -> "Augmenter":
    """Return the function that gives each image ``times`` choices, each drawn uniformly ``among`` all."""
    from bench.stages.image_operations import Distorter

    distorter = Distorter(among, context.inputs[0].shape[1:], context.device)

    def distort(x: "torch.Tensor", _: "torch.Tensor") -> "torch.Tensor":
        images = x.flatten(0, 1)
        for _time in range(times):
            images = distorter(images, context.integers(purpose, 0, len(among), (x.shape[1],)).flatten())
        return images.view(x.shape)

    return distort
