"""What runs in one phase of a training: its batches, a pass there and back, and a step of the optimizer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from bench.networks.layers import Network
from bench.prediction import Rows
from bench.recipe import Recipe
from bench.stages.context import Context
from bench.stages.schedules import Pace
from bench.stages.stepping import Steppers
from bench.stages.updates import Updater

if TYPE_CHECKING:
    from bench.stages.augmentation import Augmenter
    from bench.stages.losses import LossFunction
    from bench.stages.mixing import Mixer
    from bench.stages.targets import Relabeller


@dataclass(frozen=True)
class Running:
    """What runs in one phase: stages at work on a network and rows.

    span: first step of the schedule, and how many it spans
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
    optimizer: Steppers
    pace: Pace
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

        def taken() -> torch.Tensor:
            for update in self.updates:
                update.before_forward()
            losses = gradients()
            for update in self.updates:
                update.recompute(gradients)
            for update in reversed(self.updates):
                update.restore()
            for update in self.updates:
                update.before_step()
            return losses

        self.optimizer.scale(self.pace.factors(step))
        losses = self.optimizer.step(taken)
        for update in self.updates:
            update.after_step()
        return losses
