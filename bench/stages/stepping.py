"""Optimizers at work on a stack: which of them steps on which trials' parameters, at which rate.

A step takes losses [T] and their gradients, then moves every trial. Optimizers see parameters [T, ...] as they are, or,
where trials differ in their optimizer or in its rate, views of them [t, ...], one optimizer for each run of trials that
are alike. So whatever an optimizer holds besides its state per element (Adagrad's step count, schedule-free's sum of
weights) is that of the trials it steps on, and the numbers are those that they have alone, to the bit.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from bench.stages.optimizers import Optimizer

Tensors = Sequence["torch.Tensor"]
Pick = Callable[["torch.Tensor"], "torch.Tensor"]
Again = Callable[[], "torch.Tensor"]


class View:
    """A part of a parameter as a tensor of its own, which shares its memory: an optimizer steps on it in place."""

    def __init__(self, parameter: "torch.Tensor", pick: Pick) -> None:
        self._parameter, self._pick = parameter, pick
        self.tensor = pick(parameter.detach())

    def take(self) -> None:
        """Take on the parameter's present gradient, or none where it has none."""
        gradient = self._parameter.grad
        self.tensor.grad = None if gradient is None else self._pick(gradient)


class Stepping:
    """One or more of torch's optimizers that step together, at rates that one factor scales."""

    def __init__(self, *optimizers: "torch.optim.Optimizer") -> None:
        self.optimizers = optimizers
        self._rates = [(group, group["lr"]) for optimizer in optimizers for group in optimizer.param_groups]

    def scale(self, factor: float) -> None:
        """Set the learning rates to ``factor`` times those of the start."""
        for group, rate in self._rates:
            group["lr"] = rate * factor

    def step(self, losses: "torch.Tensor", again: Again) -> None:
        """Step by the gradients that are there, of ``losses`` [T].

        again: takes the gradients of the same batch anew, at weights that were changed, and returns the losses.
        """
        for optimizer in self.optimizers:
            optimizer.step()

    def evaluate(self) -> bool:
        """Put the parameters at what is to be evaluated; return whether that is anything but where they are."""
        return False

    def resume(self) -> None:
        """Put the parameters back, to the bit, at where training goes on."""


class Steppers:
    """The optimizers of a whole stack of T trials."""

    def __init__(
        self,
        optimizers: "Sequence[Optimizer]",
        split: tuple[Tensors, Tensors],
        alone: bool,
        apart: bool = False,
    ) -> None:
        """Begin.

        optimizers: each trial's; split: weights, which decay, and other parameters, [T, ...] each; alone: trials train
        one at a time; apart: each trial's rate has factors of its own. Raises ValueError for an optimizer that does not
        stack over several trials.
        """
        if len(optimizers) > 1 and (refusing := [one.kind for one in optimizers if not one.stacks]):
            raise ValueError(f"{refusing[0]} trains one trial at a time, got a stack of {len(optimizers)}")
        runs = [[*run] for _, run in groupby(range(len(optimizers)), lambda at: at if apart else optimizers[at])]
        self._views: list[View] = []
        self._parts: list[tuple[list[int], Stepping]] = []
        for run in runs:
            weights, others = (part if len(runs) == 1 else self._rows(part, run) for part in split)
            self._parts.append((run, optimizers[run[0]].begin(weights, others, alone)))

    def _rows(self, parameters: Tensors, run: list[int]) -> Tensors:
        """Return the rows of a run of trials in each parameter."""
        rows = slice(run[0], run[-1] + 1)
        views = [View(one, lambda whole: whole[rows]) for one in parameters]
        self._views += views
        return [view.tensor for view in views]

    def scale(self, factors: Sequence[float]) -> None:
        """Set each trial's learning rate to its factor, of ``factors`` [T], times that of its optimizer."""
        for run, part in self._parts:
            part.scale(factors[run[0]])

    def step(self, gradients: Again) -> "torch.Tensor":
        """Take the gradients, step by them, and return the losses [T] from before the step."""

        def again() -> "torch.Tensor":
            losses = gradients()
            for view in self._views:
                view.take()
            return losses

        losses = again()
        for _, part in self._parts:
            part.step(losses, again)
        return losses

    def evaluate(self) -> list[bool]:
        """Put the parameters at what is to be evaluated; return of which trials [T] that is not where they are."""
        return [moved for run, part in self._parts for moved in [part.evaluate()] * len(run)]

    def resume(self) -> None:
        """Put the parameters back at where training goes on."""
        for _, part in self._parts:
            part.resume()
