"""Optimizers at work on a stack: which of them steps on which trials' parameters, at which rate.

A step takes losses [T] and their gradients, then moves every trial. Optimizers of a stack see its weights side by
side as [T, P], and its other parameters likewise; where trials differ in their optimizer or in its rate, rows of them
[t, P], one optimizer for each run of trials that are alike. What works element by element makes the same numbers of
that, to the bit, in a fraction of the calls. Whatever an optimizer holds besides its state per element (Adagrad's
step count, schedule-free's sum of weights) is that of the trials it steps on, so the numbers are those that they have
alone. A network that trains alone hands its optimizer the parameters as they are.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from bench.stages.optimizers import Optimizer

Tensors = Sequence["torch.Tensor"]
Again = Callable[[], "torch.Tensor"]


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


class Flat:
    """Parameters [T, ...] of a stack side by side: values [T, P], and their gradients, of which P are each trial's."""

    def __init__(self, parameters: Tensors) -> None:
        import torch

        self._parameters = parameters
        self._sizes = [one[0].numel() for one in parameters]
        self._values = torch.cat([one.detach().flatten(1) for one in parameters], 1)
        self._gradients = torch.zeros_like(self._values)

    def rows(self, run: Sequence[int]) -> "torch.Tensor":
        """Return the values [t, P] of a run of trials, and as their ``grad`` its gradients; both share the memory."""
        rows = slice(run[0], run[-1] + 1)
        own = self._values[rows]
        own.grad = self._gradients[rows]
        return own

    def take(self) -> None:
        """Take on the parameters' present values."""
        import torch

        torch.cat([one.detach().flatten(1) for one in self._parameters], 1, out=self._values)

    def take_gradients(self) -> None:
        """Take on the parameters' present gradients; a parameter without one has a gradient of zero."""
        import torch

        torch.cat(
            [(torch.zeros_like(one) if one.grad is None else one.grad).flatten(1) for one in self._parameters],
            1,
            out=self._gradients,
        )

    def give(self) -> None:
        """Give the parameters the present values."""
        for one, part in zip(self._parameters, self._values.split(self._sizes, 1), strict=True):
            one.detach().copy_(part.view(one.shape))


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
        trained = [[one for one in part if one.requires_grad] for part in split]
        together = not alone and all(one.stacks for one in optimizers)
        self._flats = [Flat(part) if part and together else None for part in trained]
        self._parts: list[tuple[list[int], Stepping]] = []
        for run in runs:
            weights, others = (
                part if flat is None else [flat.rows(run)] for flat, part in zip(self._flats, trained, strict=True)
            )
            self._parts.append((run, optimizers[run[0]].begin(weights, others, alone)))

    def scale(self, factors: Sequence[float]) -> None:
        """Set each trial's learning rate to its factor, of ``factors`` [T], times that of its optimizer."""
        for run, part in self._parts:
            part.scale(factors[run[0]])

    def step(self, gradients: Again) -> "torch.Tensor":
        """Take the gradients, step by them, and return the losses [T] from before the step."""
        losses = gradients()
        with self._side_by_side():
            for flat in self._flats:
                if flat is not None:
                    flat.take_gradients()
            for _, part in self._parts:
                part.step(losses, gradients)
        return losses

    def evaluate(self) -> list[bool]:
        """Put the parameters at what is to be evaluated; return of which trials [T] that is not where they are."""
        with self._side_by_side():
            return [moved for run, part in self._parts for moved in [part.evaluate()] * len(run)]

    def resume(self) -> None:
        """Put the parameters back at where training goes on."""
        with self._side_by_side():
            for _, part in self._parts:
                part.resume()

    @contextmanager
    def _side_by_side(self) -> Iterator[None]:
        """Have the optimizers act on what the parameters are, and the parameters be what they make of it."""
        flats = [flat for flat in self._flats if flat is not None]
        for flat in flats:
            flat.take()
        yield
        for flat in flats:
            flat.give()
