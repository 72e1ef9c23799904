"""Slot ``augment``, for images: crops, mirror images, holes. ``automatic_augmentation.py`` draws among many operations.

Images are bytes, uint8 x [T, B, channels, H, W]; every image has its own draw, and results are bytes again.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.augmentation import Augment
from bench.stages.base import require
from bench.stages.context import Context

if TYPE_CHECKING:
    import torch

    from bench.stages.augmentation import Augmenter


@dataclass(frozen=True)
class Crop(Augment):
    """Continue each image by reflection beyond its borders and cut one of its size out at a random place.

    padding: how far beyond, as a fraction of the side (rounded to pixels: 4 at a side of 32, 1 at 8).
    Source: Lee et al. 2015 (Deeply-Supervised Nets), as He et al. 2016 use it, with reflection instead of zeros.
    """

    kind: ClassVar[str] = "crop"
    padding: float = 0.125

    def __post_init__(self) -> None:
        """Check the padding."""
        require(0 <= self.padding <= 0.5, f"padding must be a fraction between 0 and 0.5, got {self.padding}")

    def begin(self, context: Context) -> "Augmenter":
        """Return the function that crops x."""

        def crop(x: "torch.Tensor", _: "torch.Tensor") -> "torch.Tensor":
            height, width = x.shape[3:]
            rows, columns = self._places(context, x, height), self._places(context, x, width)
            pixels = (rows[..., :, None] * width + columns[..., None, :]).flatten(2)[:, :, None]
            return x.flatten(3).gather(3, pixels.expand(*x.shape[:3], -1)).view(x.shape)

        return crop if self.padding > 0 else unchanged

    def _places(self, context: Context, x: "torch.Tensor", side: int) -> "torch.Tensor":
        """Draw where each image's crop begins along one side; return the pixels it shows, int64 [T, B, side]."""
        import torch

        padding = round(self.padding * side)
        begins = context.integers(self.kind, -padding, padding + 1, (x.shape[1], 1))
        beyond = (torch.arange(side, device=x.device) + begins).abs_()
        return (side - 1) - (side - 1 - beyond).abs_()


@dataclass(frozen=True)
class Flip(Augment):
    """Mirror left and right in a share of the images, where a mirror image shows the same class; elsewhere nothing.

    share: probability, in steps of 1/256. Source: Krizhevsky et al. 2012, section 4.1.
    """

    kind: ClassVar[str] = "flip"
    share: float = 0.5

    def __post_init__(self) -> None:
        """Check the share."""
        require(0 <= self.share <= 1, f"share must be a probability between 0 and 1, got {self.share}")

    def begin(self, context: Context) -> "Augmenter":
        """Return the function that mirrors x."""
        import torch

        cut = round(self.share * 256)

        def flip(x: "torch.Tensor", _: "torch.Tensor") -> "torch.Tensor":
            count = x.shape[0] * x.shape[1]
            mirrored = (context.octets(self.kind, x.shape[1]).int() < cut).flatten()  # as a byte, 256 is 0
            both = torch.cat((x, x.flip(4))).flatten(0, 1)  # choosing whole images is three times as fast as 'where'
            return both.index_select(0, torch.arange(count, device=x.device) + count * mirrored).view(x.shape)

        return flip if context.mirrors and cut > 0 else unchanged


@dataclass(frozen=True)
class Cutout(Augment):
    """Paint over a square of each image with the mean of the training pixels, which the network sees as zero.

    share: the square's side as a fraction of the image's shorter side, rounded to pixels. Its centre is any pixel, so
    it may reach beyond the border. Source: DeVries and Taylor 2017, section 3.2.
    """

    kind: ClassVar[str] = "cutout"
    share: float = 0.5

    def __post_init__(self) -> None:
        """Check the share."""
        require(0 <= self.share <= 1, f"share must be a fraction between 0 and 1, got {self.share}")

    def begin(self, context: Context) -> "Augmenter":
        """Return the function that cuts out of x."""
        import torch

        assert context.pixels is not None, "images have statistics of their pixels"
        mean = torch.from_numpy(context.pixels[:, 0]).round().to(context.device, torch.uint8)[:, None, :, None, None]

        def cut(x: "torch.Tensor", _: "torch.Tensor") -> "torch.Tensor":
            size = round(self.share * min(x.shape[3:]))
            rows, columns = (self._covered(context, x, side, size) for side in x.shape[3:])
            kept = ~(rows[..., :, None] & columns[..., None, :])[:, :, None]
            return (x - mean) * kept + mean  # bytes wrap, so this is exact, and twice as fast as 'where'

        return cut if self.share > 0 else unchanged

    def _covered(self, context: Context, x: "torch.Tensor", side: int, size: int) -> "torch.Tensor":
        """Draw each square's centre along one side; return which pixels it covers, bool [T, B, side]."""
        import torch

        begins = context.integers(self.kind, 0, side, (x.shape[1], 1)) - size // 2
        places = torch.arange(side, device=x.device) - begins
        return (places >= 0) & (places < size)


def unchanged(x: "torch.Tensor", _: "torch.Tensor") -> "torch.Tensor":
    """Return x: an augmentation at its neutral setting."""
    return x
