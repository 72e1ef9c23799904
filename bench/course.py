"""The course of a training: what runs in each of a recipe's phases, for T trials side by side.

A phase goes on from what the one before it left: its weights and, of everything that it does not change, also the
objects at work, with their random streams and the optimizer's state.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from bench.keys import Streams
from bench.networks.layers import HeadOnly, Network
from bench.prediction import Rows, features
from bench.preparation import Prepared, resampled, shares
from bench.recipe import Recipe
from bench.stages.context import Context
from bench.stages.phases import Phase
from bench.stages.updates import Updater

if TYPE_CHECKING:
    from bench.stages.augmentation import Augmenter
    from bench.stages.losses import LossFunction
    from bench.stages.mixing import Mixer
    from bench.stages.targets import Relabeller

BLOCK = 64  # steps whose batches are drawn at once
BARE = {"augment": (), "mix": None}  # slots that are empty where features train instead of rows
SCALE = "head.scale"  # what trains in phases of the scales alone
_Part = TypeVar("_Part")


@dataclass(frozen=True)
class Running:
    """What runs in one phase: stages at work on a network and rows.

    span: first step of the schedule, and how many it spans; rates: the learning rates that it multiplies
    """

    recipe: Recipe
    context: Context
    network: Network
    rows: tuple[Rows, Rows]
    batches: Iterator[torch.Tensor]
    augment: "list[Augmenter]"
    mix: "Mixer | None"
    targets: "Relabeller | None"
    updates: list[Updater]
    optimizer: torch.optim.Optimizer
    rates: list[float]
    span: tuple[int, int]
    loss: "LossFunction"
    weights: list[torch.nn.Parameter]

    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the inputs [T, B, ...] of the next batch as they enter the network, and their targets."""
        index = next(self.batches)
        inputs, targets = (one.at(index) for one in self.rows)
        for change in self.augment:
            inputs = change(inputs, targets)
        inputs = self.network.entry(inputs)
        if self.mix is not None:
            inputs, targets = self.mix(inputs, targets)
        if self.targets is not None:
            targets = self.targets(targets)
        return inputs, targets

    def gradients(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return losses [T], and leave their gradient in the parameters: a pass there and back."""
        losses = self.loss(self.network(inputs, training=True), targets)
        for stage in self.recipe.penalties:
            losses = losses + stage.penalty(self.weights)
        self.network.zero_grad(set_to_none=True)
        losses.sum().backward()
        return losses.detach()

    def descend(self, step: int, gradients: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return the losses [T] of one optimizer step, with the updates around it and the schedule.

        ``gradients`` runs a pass on the step's batch; ``bench.stages.updates`` says what happens in which order.
        """
        for update in self.updates:
            update.before_forward()
        losses = gradients()
        for update in self.updates:
            update.recompute(gradients)
        for update in reversed(self.updates):
            update.restore()
        for update in self.updates:
            update.before_step()
        if self.recipe.schedule is not None:
            factor = self.recipe.schedule.factor(step - self.span[0], self.span[1])
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate * factor
        self.optimizer.step()
        for update in self.updates:
            update.after_step()
        return losses


class Course:
    """Leads a stack through the phases of its recipe.

    resample_seconds: thread CPU seconds of the whole stack that resampling in a phase took.
    """

    def __init__(
        self,
        recipe: Recipe,
        trials: Sequence[Prepared],
        context: Context,
        network: Network,
        rows: tuple[Rows, Rows],
        steps: int,
    ) -> None:
        self._trials, self._context, self._network, self._rows, self._steps = trials, context, network, rows, steps
        self._recipes = recipe.in_phases()
        self._phases: tuple[Phase | None, ...] = (None, *recipe.phases)
        self._starts = [*recipe.starts(steps), steps]
        self._number = 0
        self._answered: list[np.ndarray] = []
        self.resample_seconds = 0.0
        if any(phase.part == "scales" for phase in recipe.phases):
            network.linear_head().add_scale()
        self._running = self._begin(None)

    def at(self, step: int) -> Running:
        """Return what runs in a step (from 0). Steps are asked for in order."""
        while step >= self._starts[self._number + 1]:
            self._number += 1
            self._running = self._begin(self._running)
        return self._running

    @property
    def recipe(self) -> Recipe:
        """Return the recipe of the present phase."""
        return self._running.recipe

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

        def kept(slot: str, part: str, make: Callable[[], _Part]) -> _Part:
            same = old is not None and getattr(old.recipe, slot) == getattr(recipe, slot)
            return getattr(old, part) if same else make()

        if old is not None and not (phase is not None and phase.anew):
            optimizer, rates, span = old.optimizer, old.rates, old.span
        else:
            optimizer = recipe.optimizer.make(*network.split(), alone=not recipe.network.stacks)
            rates = [group["lr"] for group in optimizer.param_groups]
            span = self._starts[self._number], self._until() - self._starts[self._number]
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
            rates=rates,
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


def draw_batches(
    recipe: Recipe,
    labels: Sequence[np.ndarray | None],
    rows: Sequence[int],
    streams: Sequence[Streams],
    steps: int,
    purpose: str,
) -> Iterator[torch.Tensor]:
    """Yield row numbers int64 [T, B] without end, drawn from each trial's own stream ``BLOCK`` steps at a time.

    labels: of each trial's rows, None for a regression; rows: how many; steps: how many batches will be used at most.
    """
    draws = [
        recipe.batches.start(own, count, recipe.batch_size, stream.numpy(purpose), steps)
        for own, count, stream in zip(labels, rows, streams, strict=True)
    ]
    drawn = 0
    while True:
        count = min(BLOCK, max(1, steps - drawn))
        drawn += count
        yield from torch.from_numpy(np.stack([draw(count) for draw in draws], axis=1))
