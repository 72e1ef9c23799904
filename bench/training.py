"""The one training loop. T trials of one recipe train side by side as a stack and meet only at the stack's size.

Batches are gathered by index from arrays in memory; losses are one per trial and summed for a single backward pass;
validation happens every so many steps, on fixed rows. Test rows are not an argument of anything here.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch

from bench.networks.layers import Network
from bench.prediction import Rows, at, predict
from bench.preparation import Prepared
from bench.process import denormals_flushed
from bench.progress import Curve, Fit, Progress, Validator
from bench.recipe import Recipe
from bench.stages.context import Context

__all__ = ["REVISION", "Curve", "Fit", "OutOfTimeError", "at", "fit", "predict"]

REVISION = 1
BLOCK = 64  # steps whose batches are drawn at once
REFRESH_BATCHES = 50  # at most, on which running statistics are measured again for averaged weights


class OutOfTimeError(Exception):
    """A stack ran past its time limit."""


@denormals_flushed()
def fit(
    recipe: Recipe,
    trials: Sequence[Prepared],
    outputs: int,
    steps: int,
    deadline: float | None = None,
    snapshots: Sequence[int] = (),
) -> Fit:
    """Train T trials of one recipe for at most ``steps`` optimizer steps each.

    snapshots: steps after which the running state is copied, for curves drawn later; they change nothing and decide
    nothing. Raises ValueError where a stage cannot work on these rows, OutOfTimeError past ``deadline``
    (time.monotonic()).
    """
    device = torch.device("cpu")
    context = _context(trials, outputs, device)
    network = recipe.network.build(trials[0].inputs.shape[1:], context)
    all_inputs = Rows.of([trial.inputs for trial in trials], device)
    all_targets = Rows.of([trial.targets for trial in trials], device)
    validator = Validator(trials, context)
    began = time.thread_time()

    if recipe.network.closed_form:
        network.solve(all_inputs.values.split(all_inputs.counts), all_targets.values.split(all_targets.counts))
        seconds = (time.thread_time() - began) / len(trials)
        measured = validator.measure(network)
        nothing = np.zeros(len(trials), dtype=int)
        curve = Curve([0], measured.train[:, None], measured.validation[:, None])
        finite = np.isfinite(measured.validation)
        return Fit(network, curve, nothing, nothing, ~finite, seconds, validator.seconds / len(trials))

    progress = Progress(network, recipe, context, steps, validator, snapshots)
    gradients = _gradients(recipe, context, network)
    descend = _descent(recipe, context, network, steps)
    average = recipe.stopping.average(network, steps) if recipe.stopping else None
    batches = _batches(recipe, trials, steps, "batches")
    augment = [stage.begin(context) for stage in recipe.augment]
    mix = recipe.mix.begin(context) if recipe.mix else None
    soften = recipe.targets.begin(context) if recipe.targets else None

    for step in range(steps):
        index = batches(step)
        inputs, targets = all_inputs.at(index), all_targets.at(index)
        for change in augment:
            inputs = change(inputs, targets)
        inputs = network.entry(inputs)
        if mix is not None:
            inputs, targets = mix(inputs, targets)
        if soften is not None:
            targets = soften(targets)
        losses = descend(step, partial(gradients, inputs, targets))  # [T]
        if average is not None:
            average.update(step)
        if progress.finished(step + 1, losses):
            break
        if deadline is not None and time.monotonic() > deadline:
            raise OutOfTimeError(f"ran past its time limit at step {step + 1} of {steps}")

    if average is not None and average.put():
        network.refresh(_plain_inputs(recipe, trials, network, all_inputs, steps))
    return progress.result(seconds=time.thread_time() - began - validator.seconds)


def _context(trials: Sequence[Prepared], outputs: int, device: torch.device) -> Context:
    """Return what stages may know of the stack."""
    regression = trials[0].seen is None
    pixels = [trial.scaling.pixels for trial in trials if trial.scaling.pixels is not None]
    return Context(
        inputs=[trial.inputs for trial in trials],
        targets=[trial.targets for trial in trials],
        seen=None if regression else np.stack([trial.seen for trial in trials if trial.seen is not None]),
        outputs=outputs,
        regression=regression,
        streams=[trial.streams for trial in trials],
        device=device,
        pixels=np.stack(pixels) if pixels else None,
        mirrors=trials[0].mirrors,
    )


def _batches(recipe: Recipe, trials: Sequence[Prepared], steps: int, purpose: str) -> Callable[[int], torch.Tensor]:
    """Return step -> row numbers int64 [T, B], drawn from each trial's own stream ``BLOCK`` steps at a time."""
    draws = [
        recipe.batches.start(
            None if trial.seen is None else trial.targets,
            len(trial.targets),
            recipe.batch_size,
            trial.streams.numpy(purpose),
        )
        for trial in trials
    ]
    block = torch.empty(0)

    def at(step: int) -> torch.Tensor:
        nonlocal block
        if step % BLOCK == 0:
            count = min(BLOCK, steps - step)
            block = torch.from_numpy(np.stack([draw(count) for draw in draws], axis=1))
        return block[step % BLOCK]

    return at


def _gradients(
    recipe: Recipe, context: Context, network: Network
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return (inputs, targets) -> losses [T], which leaves their gradient in the parameters: a pass there and back."""
    loss_of = recipe.loss.begin(context)
    weights, _ = network.split()
    penalties = [stage.penalty for stage in recipe.penalties]

    def gradients(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        losses = loss_of(network(inputs, training=True), targets)
        for penalty in penalties:
            losses = losses + penalty(weights)
        network.zero_grad(set_to_none=True)
        losses.sum().backward()
        return losses.detach()

    return gradients


def _descent(
    recipe: Recipe, context: Context, network: Network, steps: int
) -> Callable[[int, Callable[[], torch.Tensor]], torch.Tensor]:
    """Return (step, gradients) -> losses [T] of one optimizer step, with the updates around it and the schedule.

    ``gradients`` runs a pass on the step's batch; ``bench.stages.updates`` says what happens in which order.
    """
    optimizer = recipe.optimizer.make(*network.split(), alone=not recipe.network.stacks)
    rates = [group["lr"] for group in optimizer.param_groups]
    updates = [stage.begin(context, network) for stage in recipe.updates]

    def descend(step: int, gradients: Callable[[], torch.Tensor]) -> torch.Tensor:
        for update in updates:
            update.before_forward()
        losses = gradients()
        for update in updates:
            update.recompute(gradients)
        for update in reversed(updates):
            update.restore()
        for update in updates:
            update.before_step()
        if recipe.schedule is not None:
            factor = recipe.schedule.factor(step, steps)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        optimizer.step()
        for update in updates:
            update.after_step()
        return losses

    return descend


def _plain_inputs(
    recipe: Recipe, trials: Sequence[Prepared], network: Network, all_inputs: Rows, steps: int
) -> Iterator[torch.Tensor]:
    """Yield inputs [T, B, ...] of batches drawn as training draws them, from a stream of their own, not augmented.

    How many depends on the steps alone, so that it is the same whatever trials are in the stack.
    """
    count = min(REFRESH_BATCHES, steps)
    batches = _batches(recipe, trials, count, "refresh")
    for step in range(count):
        yield network.entry(all_inputs.at(batches(step)))
