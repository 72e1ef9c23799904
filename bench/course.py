"""The course of a training: what runs in each of a recipe's phases, for T trials side by side.

A phase goes on from what the one before it left: its weights and, of everything that it does not change, also the
objects at work, with their random streams and the optimizer's state.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch

from bench.drawing import REFRESH_BATCHES, draw_batches, plain_inputs
from bench.networks.layers import HeadOnly, Network
from bench.prediction import Rows, features
from bench.preparation import Prepared, resampled, shares
from bench.recipe import Recipe
from bench.running import Running
from bench.stages.averaging import Average
from bench.stages.context import Context
from bench.stages.optimizers import Optimizer
from bench.stages.phases import Phase
from bench.stages.schedules import Constant
from bench.stages.stepping import Steppers

BARE = {"augment": (), "mix": None}  # slots that are empty where features train instead of rows
SCALE = "head.scale"  # what trains in phases of the scales alone
_Part = TypeVar("_Part")


class Course:
    """Leads a stack through the phases of its recipe.

    resample_seconds: thread CPU seconds of the whole stack that resampling in a phase took; passes: how often gradients
    were taken.
    """

    def __init__(
        self,
        recipe: Recipe,
        trials: Sequence[Prepared],
        context: Context,
        network: Network,
        rows: tuple[Rows, Rows],
        steps: int,
        optimizers: Sequence[Optimizer] = (),
    ) -> None:
        """Begin with the first phase.

        optimizers: each trial's own in place of the recipe's, which phases change as they change that one. Raises
        ValueError for one that does not stack over several trials, or where they are not as many as trials.
        """
        self._trials, self._context, self._network, self._rows, self._steps = trials, context, network, rows, steps
        self._recipes = recipe.in_phases()
        if optimizers and len(optimizers) != len(trials):
            raise ValueError(f"give one optimizer for each of {len(trials)} trials, or none; got {len(optimizers)}")
        own = [dataclasses.replace(recipe, optimizer=one).in_phases() for one in optimizers]
        self._optimizers = [[one.optimizer for one in phases] for phases in own or [self._recipes] * len(trials)]
        self._alone = not recipe.stacks
        self._apart = any(one.schedule is not None and one.schedule.watches for one in self._recipes)
        self._phases: tuple[Phase | None, ...] = (None, *recipe.phases)
        self._starts = [*recipe.starts(steps), steps]
        self._number = 0
        self._answered: list[np.ndarray] = []
        self.resample_seconds, self.passes = 0.0, 0
        if any(phase.part == "scales" for phase in recipe.phases):
            network.linear_head().add_scale()
        self._running = self._begin(None)

    def at(self, step: int) -> Running:
        """Return what runs in a step (from 0). Steps are asked for in order."""
        while step >= self._starts[self._number + 1]:
            self._number += 1
            self._running = self._begin(self._running)
        return self._running

    def gradients(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return losses [T] of a batch, and leave their gradient in the parameters that train."""
        self.passes += 1
        return self._running.gradients(inputs, targets)

    @property
    def recipe(self) -> Recipe:
        """Return the recipe of the present phase."""
        return self._running.recipe

    @contextmanager
    def evaluated(self) -> Iterator[None]:
        """Have the network at the weights that are evaluated; afterwards training goes on as if nothing had been.

        Those of most optimizers are where training is; those of some are averages.
        """
        with self._context.aside():
            self.settle()
            yield
        self._running.optimizer.resume()

    def settle(self) -> None:
        """Put the network at the weights that are evaluated, for good, and its running statistics at theirs."""
        moved = np.array(self._running.optimizer.evaluate())
        if moved.any():
            self._refresh(self._running.network, moved)

    def end(self, average: Average | None, whole: bool) -> None:
        """Put the network at the weights that training ends with: an average's where it has one, else the optimizer's.

        whole: the average is of the whole network, and not of a part that trained on features.
        """
        if average is None or not average.put():
            self.settle()
        elif whole:
            self._refresh(self._network, np.ones(len(self._trials), dtype=bool))

    def _refresh(self, network: Network, which: np.ndarray) -> None:
        """Measure running statistics again, at a network's present weights, of some trials, bool [T]."""
        others = torch.from_numpy(~which)
        kept = [buffer[others].clone() for buffer in network.buffers()]
        count = min(REFRESH_BATCHES, self._steps)
        network.refresh(plain_inputs(self.recipe, self._trials, network, self._rows[0], count, "refresh"))
        for buffer, own in zip(network.buffers(), kept, strict=True):
            buffer[others] = own

    def watch(self, losses: np.ndarray) -> None:
        """Take the losses [T] of a validation, which may change what comes."""
        self._running.pace.watch(losses)

    def prior(self, taken: np.ndarray) -> np.ndarray | None:
        """Return the class shares float64 [T, C] whose posterior the outputs estimate; None for a regression.

        taken: after how many steps each trial's weights are kept, int [T], 1 or more: its phase then is what counts.
        """
        if not self._answered:
            return None
        phases = np.searchsorted(self._starts[1:-1], taken, side="left")
        return np.stack([self._answered[phase][trial] for trial, phase in enumerate(phases)])

    def _begin(self, before: Running | None) -> Running:
        """Return what runs in the present phase, after what ran before."""
        recipe, phase = self._recipes[self._number], self._phases[self._number]
        network, rows, context = self._network, self._rows, self._context
        if before is not None and phase is not None and (phase.anew or before.network is not network):
            self.settle()  # the optimizer ends here
        if phase is not None and phase.part != "all":
            recipe = dataclasses.replace(recipe, **BARE)
            network, rows, context = self._on_features(phase, recipe)
        elif before is not None and before.network is not network:
            for name, parameter in network.named_parameters():
                parameter.requires_grad_(name != SCALE)
        if context.seen is not None:
            seen = [recipe.batches.prior(shares(labels, context.outputs)) for labels in context.targets]
            context = dataclasses.replace(context, seen=np.stack(seen))  # random streams go on
            self._answered.append(
                np.stack([recipe.loss.prior(one, len(own)) for one, own in zip(seen, context.targets, strict=True)])
            )
        old = before if before is not None and before.network is network else None
        goes_on = old is not None and not (phase is not None and phase.anew)

        def kept(slot: str, part: str, make: Callable[[], _Part]) -> _Part:
            same = old is not None and getattr(old.recipe, slot) == getattr(recipe, slot)
            return getattr(old, part) if same else make()

        if old is not None and goes_on:
            optimizer, span = old.optimizer, old.span
        else:
            own = [phases[self._number] for phases in self._optimizers]
            optimizer = Steppers(own, network.split(), self._alone, self._apart)
            span = self._starts[self._number], self._until() - self._starts[self._number]
        pace = old.pace if old is not None and goes_on and old.recipe.schedule == recipe.schedule else None
        purpose = "batches" if phase is None else f"batches {phase.name}"
        labels = [None if context.regression else one for one in context.targets]
        return Running(
            recipe=recipe,
            context=context,
            network=network,
            rows=rows,
            batches=kept(
                "batches",
                "batches",
                lambda: draw_batches(recipe, labels, rows[0].counts, context.streams, self._left(), purpose),
            ),
            augment=kept("augment", "augment", lambda: [stage.begin(context) for stage in recipe.augment]),
            mix=kept("mix", "mix", lambda: recipe.mix.begin(context) if recipe.mix else None),
            targets=kept("targets", "targets", lambda: recipe.targets.begin(context) if recipe.targets else None),
            updates=kept("updates", "updates", lambda: [one.begin(context, network) for one in recipe.updates]),
            optimizer=optimizer,
            pace=pace or (recipe.schedule or Constant()).begin(len(self._trials), span),
            span=span,
            loss=recipe.loss.begin(context),
            weights=network.split()[0],
        )

    def _left(self) -> int:
        """Return how many steps are left when the present phase begins."""
        return self._steps - self._starts[self._number]

    def _until(self) -> int:
        """Return the step at which the schedule that begins now ends: where the next one begins, or the last step."""
        later = zip(self._phases, self._starts, strict=False)
        return next(
            (start for phase, start in [*later][self._number + 1 :] if phase is not None and phase.anew), self._steps
        )

    def _on_features(self, phase: Phase, recipe: Recipe) -> tuple[Network, tuple[Rows, Rows], Context]:
        """Return the head as a network, its features of the training rows and their targets, and its context."""
        network, context = self._network, self._context
        inputs = features(network, [trial.inputs for trial in self._trials])
        targets = [trial.targets for trial in self._trials]
        if "resample" in phase.change and recipe.resample is not None:
            began = time.thread_time()
            for place, trial in enumerate(self._trials):
                inputs[place], targets[place] = resampled(recipe.resample, inputs[place], targets[place], trial)
            self.resample_seconds += time.thread_time() - began
        context = dataclasses.replace(context, inputs=inputs, targets=targets, pixels=None)
        head = HeadOnly(network, context, phase.part == "scales")
        if phase.fresh:
            head.renew()
        return head, (Rows.of(inputs, context.device), Rows.of(targets, context.device)), context
