"""The operations of automatic augmentation on images uint8 [N, channels, H, W], a different one for every image.

torchvision's functions do the work, but they take one magnitude for all images. So what depends on the magnitude is
asked of them once, before training: an image of pixel numbers shows where each pixel comes from, a ramp of shades what
becomes of each shade. Images are then looked up in these tables, which gives torchvision's bytes. Colour, contrast and
sharpness blend an image with a degenerate one (grey, flat, blurred: torchvision's result at factor 0); float rounding
there can differ from torchvision's by one shade.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import pad
from torchvision.transforms.v2 import functional

GEOMETRY = ("shear-x", "shear-y", "translate-x", "translate-y", "rotate")
SHADES = ("brightness", "posterize", "solarize")
BLENDS = ("color", "contrast", "sharpness")
PLAIN = ("autocontrast", "equalize")

Step = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # images [n, channels, H, W], choices [n] -> images


@dataclass(frozen=True)
class Reach:
    """The largest magnitudes: shear as a slope, moves in pixels, degrees, blend factor's distance from 1, bits lost."""

    shear: float
    across: float
    down: float
    rotation: float
    blend: float
    bits: int


@dataclass(frozen=True)
class Choice:
    """An operation at one signed magnitude, in the operation's own unit."""

    operation: str
    magnitude: float = 0.0


def choices(reach: Reach, levels: int, used: Sequence[int]) -> list[Choice]:
    """Return all equally likely choices: 14 operations x the levels used x both signs.

    An operation without a sign or a magnitude is listed as often as the others.
    """
    tops = dict(zip(GEOMETRY, (reach.shear, reach.shear, reach.across, reach.down, reach.rotation), strict=True))
    tops |= dict.fromkeys(("brightness", *BLENDS), reach.blend)
    signed = {name: torch.linspace(0.0, top, levels).tolist() for name, top in tops.items()}
    posterize = (8 - torch.arange(levels) / ((levels - 1) / reach.bits)).round().tolist()
    unsigned = {"posterize": posterize, "solarize": torch.linspace(1.0, 0.0, levels).tolist()}
    unsigned |= dict.fromkeys(("identity", *PLAIN), [0.0] * levels)
    both = [Choice(name, sign * all_[level]) for name, all_ in signed.items() for level in used for sign in (1, -1)]
    return both + [Choice(name, all_[level]) for name, all_ in unsigned.items() for level in used for _ in range(2)]


class Distorter:
    """Applies to every image its own choice."""

    def __init__(self, among: Sequence[Choice], shape: Sequence[int], device: torch.device) -> None:
        """Prepare the tables for images of ``shape`` (channels, height, width)."""
        self._steps: list[tuple[tuple[str, ...], Step]] = [
            (GEOMETRY, self._move),
            (SHADES, self._shade),
            (("color",), self._colour),
            (("contrast",), self._contrast),
            (("sharpness",), self._sharpen),
            (("autocontrast",), lambda images, _: functional.autocontrast(images)),
            (("equalize",), lambda images, _: functional.equalize(images)),
            (("identity",), lambda images, _: images),
        ]
        number = {name: step for step, (names, _) in enumerate(self._steps) for name in names}
        self._step_of = torch.tensor([number[one.operation] for one in among], device=device)
        self._magnitude = torch.tensor([one.magnitude for one in among], device=device)
        pixels = torch.arange(1, 1 + shape[1] * shape[2], dtype=torch.float32).view(1, *shape[1:])  # 0 is outside
        self._pixels, self._pixels_row = _table(among, GEOMETRY, pixels, device)
        ramp = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
        self._shades, self._shades_row = _table(among, SHADES, ramp, device)

    def __call__(self, images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Return images [N, channels, H, W], each changed by its choice's number, int64 [N]."""
        steps = self._step_of[chosen]
        order = steps.argsort(stable=True)
        counts = steps.bincount(minlength=len(self._steps)).tolist()
        groups = zip(images.index_select(0, order).split(counts), chosen[order].split(counts), strict=True)
        made = [
            step(*group) if len(group[0]) else group[0] for (_, step), group in zip(self._steps, groups, strict=True)
        ]
        return torch.cat(made).index_select(0, order.argsort())

    def _move(self, images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        sources = self._pixels[self._pixels_row[chosen]].long()[:, None].expand(-1, images.shape[1], -1)
        return pad(images.flatten(2), (1, 0)).gather(2, sources).view(images.shape)

    def _shade(self, images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        return self._shades[self._shades_row[chosen]].gather(1, images.flatten(1).long()).view(images.shape)

    def _colour(self, images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        return self._away_from(functional.adjust_saturation(images, 0.0), images, chosen)

    def _contrast(self, images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        grey = functional.adjust_saturation(images, 0.0)[:, :1]
        mean = grey.flatten(1).sum(1) / grey[0].numel()
        return self._away_from(mean[:, None, None, None], images, chosen)

    def _sharpen(self, images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        return self._away_from(functional.adjust_sharpness(images, 0.0), images, chosen)

    def _away_from(self, degenerate: torch.Tensor, images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Return factor * images + (1 - factor) * degenerate, where factor = 1 + magnitude."""
        exact = images.float()
        moved = (exact - degenerate).mul_(self._magnitude[chosen, None, None, None]).add_(exact)
        return moved.clamp_(0, 255).to(torch.uint8)


def _table(
    among: Sequence[Choice], names: Sequence[str], picture: torch.Tensor, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what each choice with one of these names makes of a picture, [choices, pixels], and every choice's row."""
    made = [_distorted(picture, one).flatten() for one in among if one.operation in names]
    held = torch.tensor([one.operation in names for one in among], device=device)
    table = torch.stack(made).to(device)
    return table.int() if table.is_floating_point() else table, held.cumsum(0) - 1


def _distorted(picture: torch.Tensor, choice: Choice) -> torch.Tensor:
    """Return what torchvision makes of one picture [1, H, W]; for operations that change geometry or single shades."""
    name, magnitude = choice.operation, choice.magnitude
    slope = math.degrees(math.atan(magnitude))
    match name:
        case "shear-x":
            return functional.affine(picture, 0.0, [0, 0], 1.0, [slope, 0.0], center=[0, 0])
        case "shear-y":
            return functional.affine(picture, 0.0, [0, 0], 1.0, [0.0, slope], center=[0, 0])
        case "translate-x":
            return functional.affine(picture, 0.0, [int(magnitude), 0], 1.0, [0.0, 0.0])
        case "translate-y":
            return functional.affine(picture, 0.0, [0, int(magnitude)], 1.0, [0.0, 0.0])
        case "rotate":
            return functional.rotate(picture, magnitude)
        case "brightness":
            return functional.adjust_brightness(picture, 1.0 + magnitude)
        case "posterize":
            return functional.posterize(picture, int(magnitude))
        case "solarize":
            return functional.solarize(picture, 255.0 * magnitude)
    raise ValueError(f"'{name}' has no table")
