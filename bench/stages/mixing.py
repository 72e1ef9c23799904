"""Slot ``mix``: pairs of training examples -> one example with mixed targets.

``begin(context)`` returns a function (inputs float [T, B, ...], targets) -> (inputs, mixed targets), where labels int64
[T, B] become soft labels float [T, B, C], and values float [T, B, K] of a regression weighted means of values. It works
on what enters the network, images as standardised floats. Every example has its own share, and its partner is drawn out
of its trial's own batch: neighbours would not do, since balanced batches come sorted by class.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.keys import added
from bench.stages.base import Stage, require
from bench.stages.context import Context
from bench.stages.rarity import class_counts, rare_classes

if TYPE_CHECKING:
    import numpy as np
    import torch

    Mixer = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
    LabelShares = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Mix(Stage):
    """Base of the mixes: an example keeps a share drawn from Beta(alpha, alpha), its partner gives the rest.

    alpha: at 1 every share is equally likely, towards 0 examples stay as they are; 0 mixes nothing.
    rare_only: only examples of rare classes are mixed, with partners of any class; the others stay as they are.
    """

    alpha: float = 1.0
    rare_only: bool = added(False)

    def __post_init__(self) -> None:
        """Check alpha."""
        require(self.alpha >= 0, f"alpha must be at least 0, got {self.alpha}")

    def begin(self, context: Context) -> "Mixer":
        """Return the function that mixes one stacked batch."""
        import numpy as np

        if self.alpha == 0:
            return lambda inputs, targets: (inputs, targets)
        generators = [streams.numpy(f"{self.kind} shares") for streams in context.streams]
        rare = rare_classes(context) if self.rare_only else None
        label_shares = self._label_shares(context)

        def mix(inputs: "torch.Tensor", targets: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
            shares = np.stack([rng.beta(self.alpha, self.alpha, inputs.shape[1]) for rng in generators])
            partners = _partners(context, f"{self.kind} partners", inputs)
            mixed, kept = self._mixed(inputs, partners, shares, context)
            if context.regression:
                return mixed, _means(targets, partners, kept)
            if rare is not None:
                chosen = rare.gather(1, targets)
                mixed, kept = _where(chosen, mixed, inputs), kept.masked_fill(~chosen, 1.0)
            return mixed, _soft_labels(targets, partners, label_shares(kept, targets, partners), context)

        return mix

    def _mixed(
        self, inputs: "torch.Tensor", partners: "torch.Tensor", shares: "np.ndarray", context: Context
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Mix inputs with those of their partners int64 [T, B].

        Takes the shares asked for, float64 [T, B]; returns the inputs and the shares kept, float [T, B].
        """
        raise NotImplementedError

    def _label_shares(self, context: Context) -> "LabelShares":
        """Return a function of shares kept, labels and partners, all [T, B]: the share [T, B] of an example's label.

        Here it is the share kept of the example.
        """
        return lambda kept, _labels, _partners: kept


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
class Remix(Mixup):
    """Mixup whose label goes to the rarer class entirely where one is much rarer. Source: Chou et al. 2020.

    Of classes with n_i and n_j training rows and an example that keeps the share s of class i: all to class j where
    n_i / n_j >= kappa and s < tau, all to class i where n_j / n_i >= kappa and 1 - s < tau, else as mixup.

    So more of the labels are of rare classes than of the rows: no rule that corrects for priors knows of it.
    """

    kind: ClassVar[str] = "remix"
    kappa: float = 3.0
    tau: float = 0.5

    def __post_init__(self) -> None:
        """Check the shape of the shares, and from when on labels go to the rarer class."""
        super().__post_init__()
        require(self.kappa >= 1, f"kappa must be at least 1, got {self.kappa}")
        require(0 <= self.tau <= 1, f"tau must be between 0 and 1, got {self.tau}")

    def _label_shares(self, context: Context) -> "LabelShares":
        """Return the function above; raise ValueError for a regression."""
        import torch

        counts = class_counts(context)

        def shares(kept: "torch.Tensor", labels: "torch.Tensor", partners: "torch.Tensor") -> "torch.Tensor":
            own, other = counts.gather(1, labels), counts.gather(1, labels.gather(1, partners))
            to_partner = (own >= self.kappa * other) & (kept < self.tau)
            to_own = (other >= self.kappa * own) & (1 - kept < self.tau)
            return torch.where(to_partner, 0.0, torch.where(to_own, 1.0, kept))

        return shares


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


def _where(chosen: "torch.Tensor", there: "torch.Tensor", elsewhere: "torch.Tensor") -> "torch.Tensor":
    """Return values [T, B, ...]: ``there`` for the examples chosen, bool [T, B], and ``elsewhere`` for the others."""
    return there.where(chosen.view(*chosen.shape, *[1] * (there.dim() - 2)), elsewhere)


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
