"""Slot ``optimizer``: those whose step couples the weights of one trial, so that trials train one by one.

Muon orthogonalises whole matrices; L-BFGS takes products over all weights. Over a stack both would mix trials.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bench.stages.base import require
from bench.stages.optimizers import Optimizer
from bench.stages.stepping import Again, Stepping, Tensors

if TYPE_CHECKING:
    import torch

LINE_SEARCHES = ("none", "strong-wolfe")
Pick = Callable[["torch.Tensor"], "torch.Tensor"]


class _View:
    """One trial's parameter in another shape, as a tensor that shares its memory: an optimizer steps on it in place."""

    def __init__(self, parameter: "torch.Tensor", pick: Pick) -> None:
        self._parameter, self._pick = parameter, pick
        self.tensor = pick(parameter.detach())

    def take(self) -> None:
        """Take on the parameter's present gradient, or none where it has none."""
        gradient = self._parameter.grad
        self.tensor.grad = None if gradient is None else self._pick(gradient)


class _OnViews(Stepping):
    """Optimizers some of which step on views of parameters; the others step on the parameters themselves."""

    def __init__(self, views: list[_View], *optimizers: "torch.optim.Optimizer") -> None:
        super().__init__(*optimizers)
        self._views = views

    def step(self, losses: "torch.Tensor", again: Again) -> None:
        for view in self._views:
            view.take()
        super().step(losses, again)


def _matrix(parameter: "torch.Tensor") -> _View:
    """Return a parameter [1, A, ...] as a matrix [A, B], its other axes in the order of its memory.

    Any order would do; its gradient may lie in another.
    """
    order = sorted(range(2, parameter.dim()), key=lambda axis: -parameter.stride(axis))
    return _View(parameter, lambda whole: whole.permute(0, 1, *order).reshape(whole.shape[1], -1))


def _flat(parameter: "torch.Tensor") -> _View:
    """Return a parameter as a vector, in the order of its memory, which its gradient may not lie in."""
    order = sorted(range(parameter.dim()), key=lambda axis: -parameter.stride(axis))
    return _View(parameter, lambda whole: whole.permute(*order).reshape(-1))


@dataclass(frozen=True)
class Muon(Optimizer):
    """Momentum, orthogonalised by five Newton-Schulz iterations in bfloat16. Source: Jordan et al. 2024.

    For weights, each as a matrix, the filters of a convolution flattened; biases and norms have AdamW at the same rate.
    Steps are scaled as by Liu et al. 2025 (section 2.2: root mean square as AdamW's), so that one rate serves both, and
    a matrix and its transpose move alike. Decay is decoupled, on weights alone.
    """

    kind: ClassVar[str] = "muon"
    stacks: ClassVar[bool] = False
    momentum: float = 0.95
    weight_decay: float = 0.1

    def begin(self, weights: Tensors, others: Tensors, alone: bool) -> Stepping:
        """Return torch's Muon and AdamW at work."""
        from torch.optim import AdamW
        from torch.optim import Muon as TorchMuon

        views = [_matrix(weight) for weight in weights]
        rest = [AdamW(others, lr=self.lr, weight_decay=0.0, foreach=False)] if others else []
        if not views:
            return Stepping(*rest)
        muon = TorchMuon(
            [view.tensor for view in views],
            lr=self.lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        )
        return _OnViews(views, muon, *rest)


class _Lbfgs(Stepping):
    """Torch's L-BFGS, which takes the gradients of a batch as often as it needs them."""

    def __init__(self, views: list[_View], optimizer: "torch.optim.LBFGS") -> None:
        super().__init__(optimizer)
        self._views, self._optimizer = views, optimizer

    def step(self, losses: "torch.Tensor", again: Again) -> None:
        import torch

        first = [losses]

        def closure() -> float:
            with torch.enable_grad():
                now = first.pop() if first else again()
            for view in self._views:
                view.take()
            return float(now.sum())

        self._optimizer.step(closure)


@dataclass(frozen=True)
class Lbfgs(Optimizer):
    """Limited-memory BFGS: quasi-Newton steps from differences of gradients. Source: Liu and Nocedal 1989.

    An optimizer step is up to ``max_iter`` iterations on one batch, each of a pass there and back or a few (at most
    5/4 ``max_iter`` in all), so it costs that many times as much as another optimizer's. The memory goes on from batch
    to batch, so large batches serve it best. Updates such as clipping act on every gradient.

    history: steps that are remembered; line_search: 'none' takes steps of the rate, 'strong-wolfe' looks for a length.
    """

    kind: ClassVar[str] = "lbfgs"
    stacks: ClassVar[bool] = False
    lr: float = 1.0
    max_iter: int = 20
    history: int = 100
    line_search: Literal["none", "strong-wolfe"] = "none"

    def __post_init__(self) -> None:
        """Check the numbers and the line search."""
        super().__post_init__()
        for name in ("max_iter", "history"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, got {getattr(self, name)}")
        known = self.line_search in LINE_SEARCHES
        require(known, f"line_search must be one of {', '.join(LINE_SEARCHES)}, got '{self.line_search}'")

    @property
    def gradients(self) -> int:
        """Return how often a step takes the gradients of its batch, at most: torch's default for so many iterations."""
        return self.max_iter * 5 // 4

    def begin(self, weights: Tensors, others: Tensors, alone: bool) -> Stepping:
        """Return torch's LBFGS at work."""
        from torch.optim import LBFGS

        search = None if self.line_search == "none" else "strong_wolfe"
        views = [_flat(one) for one in (*weights, *others)]
        trained = [view.tensor for view in views]
        made = LBFGS(trained, lr=self.lr, max_iter=self.max_iter, history_size=self.history, line_search_fn=search)
        return _Lbfgs(views, made)
