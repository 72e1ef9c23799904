"""Slot ``mix``: pairs of training examples -> one example with mixed targets.

``begin(context)`` returns a function (inputs float [T, B, ...], targets) -> (inputs, mixed targets), where labels int64
[T, B] become soft labels float [T, B, C], and values float [T, B, K] of a regression weighted means of values. It works
on what enters the network, images as standardised floats. Every example has its own share, and its partner is drawn out
of its trial's own batch: neighbours would not do, since balanced batches come sorted by class.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.stages.base import Stage, require
from bench.stages.context import Context

if TYPE_CHECKING:
    import numpy as np
    import torch

    Mixer = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Mix(Stage):
    """Base of the mixes: an example keeps a share drawn from Beta(alpha, alpha), its partner gives the rest.

    alpha: at 1 every share is equally likely, towards 0 examples stay as they are; 0 mixes nothing.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        """Check alpha."""
        require(self.alpha >= 0, f"alpha must be at least 0, got {self.alpha}")

    def begin(self, context: Context) -> "Mixer":
        """Return the function that mixes one stacked batch."""
        import numpy as np

        if self.alpha == 0:
            return lambda inputs, targets: (inputs, targets)
        generators = [streams.numpy(f"{self.kind} shares") for streams in context.streams]

        def mix(inputs: "torch.Tensor", targets: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
            shares = np.stack([rng.beta(self.alpha, self.alpha, inputs.shape[1]) for rng in generators])
            partners = _partners(context, f"{self.kind} partners", inputs)
            mixed, kept = self._mixed(inputs, partners, shares, context)
            if context.regression:
                return mixed, _means(targets, partners, kept)
            return mixed, _soft_labels(targets, partners, kept, context)

        return mix

    def _mixed(
        self, inputs: "torch.Tensor", partners: "torch.Tensor", shares: "np.ndarray", context: Context
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Mix inputs with those of their partners int64 [T, B].

        Takes the shares asked for, float64 [T, B]; returns the inputs and the shares kept, float [T, B].
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Mixup(Mix):
    """Weighted means of two examples and of their labels, or values. Source: Zhang et al. 2018, eq. 1."""

    kind: ClassVar[str] = "mixup"

    def _mixed(
        self, inputs: "torch.Tensor", partners: "torch.Tensor", shares: "np.ndarray", context: Context
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        import torch

        kept = torch.from_numpy(shares).to(inputs)
        return _means(inputs, partners, kept), kept


@dataclass(frozen=True)
class CutMix(Mix):
    """A box of the partner's image is pasted in; labels are mixed by area. Source: Yun et al. 2019, section 3.1.

    The box has the image's aspect and 1 - share of its area, its centre is any pixel, and it is clipped at the border;
    the share kept is what is left of the image, as in torchvision.transforms.v2.CutMix.
    """

    kind: ClassVar[str] = "cutmix"

    def begin(self, context: Context) -> "Mixer":
        """Return the function that mixes one stacked batch; raise ValueError for a regression."""
        if context.regression:
            raise ValueError("cutmix mixes class labels; the task is a regression")
        return super().begin(context)

    def _mixed(
        self, inputs: "torch.Tensor", partners: "torch.Tensor", shares: "np.ndarray", context: Context
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        import torch

        rows, columns = (self._covered(inputs, shares, side, context) for side in inputs.shape[3:])
        box = rows[..., :, None] & columns[..., None, :]
        kept = 1 - rows.sum(2) * columns.sum(2) / box[0, 0].numel()
        return torch.where(box[:, :, None], _of(partners, inputs), inputs), kept

    def _covered(self, inputs: "torch.Tensor", shares: "np.ndarray", side: int, context: Context) -> "torch.Tensor":
        """Draw each box's centre along one side of the image; return what the box covers, bool [T, B, side]."""
        import numpy as np
        import torch

        half = torch.from_numpy((0.5 * np.sqrt(1 - shares) * side).astype(np.int64)).to(inputs.device)[..., None]
        centre = context.integers(f"{self.kind} centres", 0, side, (inputs.shape[1], 1))
        places = torch.arange(side, device=inputs.device)
        return (places >= centre - half) & (places < centre + half)


def _partners(context: Context, purpose: str, inputs: "torch.Tensor") -> "torch.Tensor":
    """Return for each example the number of its partner, int64 [T, B]: a permutation of each trial's own batch."""
    import torch

    drawn = [torch.randperm(inputs.shape[1], generator=generator) for generator in context.generators(purpose)]
    return torch.stack(drawn).to(inputs.device)


def _of(partners: "torch.Tensor", values: "torch.Tensor") -> "torch.Tensor":
    """Return a copy of values [T, B, ...] in the order of the partners int64 [T, B]."""
    import torch

    trials, batch = partners.shape
    flat = partners + batch * torch.arange(trials, device=partners.device)[:, None]
    return values.flatten(0, 1).index_select(0, flat.flatten()).view(values.shape)


def _means(values: "torch.Tensor", partners: "torch.Tensor", kept: "torch.Tensor") -> "torch.Tensor":
    """Return values [T, B, ...] times the shares kept [T, B], plus those of the partners times the rest."""
    weight = kept.view(*kept.shape, *[1] * (values.dim() - 2))
    return _of(partners, values).mul_(1 - weight).add_(values * weight)


def _soft_labels(
    labels: "torch.Tensor", partners: "torch.Tensor", kept: "torch.Tensor", context: Context
) -> "torch.Tensor":
    """Return float [T, B, C]: the share kept for the example's own class, the rest for its partner's."""
    import torch

    soft = torch.zeros((*labels.shape, context.outputs), device=labels.device)
    soft.scatter_(2, labels[..., None], kept[..., None])
    return soft.scatter_add_(2, labels.gather(1, partners)[..., None], 1 - kept[..., None])
