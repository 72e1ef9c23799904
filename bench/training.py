"""The one training loop. T trials of one recipe train side by side as a stack and meet only at the stack's size.

Batches are gathered by index from arrays in memory; losses are one per trial and summed for a single backward pass;
validation happens every so many steps, on fixed rows. Test rows are not an argument of anything here.
"""

import time
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch

from bench.course import Course
from bench.drawing import plain_inputs
from bench.networks.layers import Network
from bench.prediction import Rows, at, predict
from bench.preparation import Prepared
from bench.process import denormals_flushed
from bench.progress import Curve, Fit, Progress, Validator
from bench.recipe import Recipe
from bench.stages.context import Context
from bench.stages.initial import Beginning
from bench.stages.optimizers import Optimizer
from bench.stages.stepping import Steppers

__all__ = ["REVISION", "Curve", "Fit", "OutOfTimeError", "at", "fit", "predict"]

REVISION = 1


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
    optimizers: Sequence[Optimizer] = (),
) -> Fit:
    """Train T trials of one recipe for at most ``steps`` optimizer steps each.

    snapshots: steps after which the running state is copied, for curves drawn later; they change nothing and decide
    nothing. optimizers: each trial's own in place of the recipe's, so that several rates (or decays, or kinds) train
    side by side; a trial's numbers are those that it has alone with its optimizer as the recipe's. Raises ValueError
    where a stage cannot work on these rows, OutOfTimeError past ``deadline`` (time.monotonic()).
    """
    device = torch.device("cpu")
    context = _context(recipe, trials, outputs, device)
    network = recipe.network.build(trials[0].inputs.shape[1:], context)
    rows = Rows.of([trial.inputs for trial in trials], device), Rows.of([trial.targets for trial in trials], device)
    validator = Validator(trials, context)
    if recipe.finish is not None:
        recipe.finish.check(network)
    began = time.thread_time()

    if recipe.network.closed_form:
        network.solve(*(one.values.split(one.counts) for one in rows))
        seconds = (time.thread_time() - began) / len(trials)
        measured = validator.measure(network)
        nothing = np.zeros(len(trials), dtype=int)
        curve = Curve([0], measured.train[:, None], measured.validation[:, None])
        finite = np.isfinite(measured.validation)
        return Fit(network, curve, nothing, nothing, ~finite, seconds, validator.seconds / len(trials))

    _put_initial(recipe, trials, context, network, rows[0], steps, deadline, optimizers)
    course = Course(recipe, trials, context, network, rows, steps, optimizers)
    progress = Progress(network, recipe, course, steps, validator, snapshots)
    trained, average = None, None

    for step in range(steps):
        now = course.at(step)
        if recipe.stopping is not None and now.network is not trained:  # another part trains: its average begins here
            trained, average = now.network, recipe.stopping.average(network, steps)
        inputs, targets = now.batch()
        losses = now.descend(step, partial(course.gradients, inputs, targets))  # [T]
        if average is not None:
            average.update(step)
        if progress.finished(step + 1, losses):
            break
        if deadline is not None and time.monotonic() > deadline:
            raise OutOfTimeError(f"ran past its time limit at step {step + 1} of {steps}")

    course.end(average, trained is network)
    seconds = time.thread_time() - began - validator.seconds - course.resample_seconds
    done = progress.result(seconds)
    if recipe.finish is not None:
        recipe.finish.finish(network)
    return done


def _context(recipe: Recipe, trials: Sequence[Prepared], outputs: int, device: torch.device) -> Context:
    """Return what stages may know of the stack."""
    priors = [trial.row_prior for trial in trials if trial.row_prior is not None]
    pixels = [trial.scaling.pixels for trial in trials if trial.scaling.pixels is not None]
    return Context(
        inputs=[trial.inputs for trial in trials],
        targets=[trial.targets for trial in trials],
        seen=np.stack([recipe.batches.prior(prior) for prior in priors]) if priors else None,
        outputs=outputs,
        regression=not priors,
        streams=[trial.streams for trial in trials],
        device=device,
        pixels=np.stack(pixels) if pixels else None,
        mirrors=trials[0].mirrors,
    )


def _put_initial(
    recipe: Recipe,
    trials: Sequence[Prepared],
    context: Context,
    network: Network,
    inputs: Rows,
    steps: int,
    deadline: float | None,
    optimizers: Sequence[Optimizer],
) -> None:
    """Set the initial weights that a recipe asks for; batches for that are drawn as training draws them."""
    if recipe.initial is None:
        return

    def batches() -> Iterator[torch.Tensor]:
        count = recipe.pretraining(steps)
        for step, batch in enumerate(plain_inputs(recipe, trials, network, inputs, count, "pretraining")):
            if deadline is not None and time.monotonic() > deadline:
                raise OutOfTimeError(f"ran past its time limit at step {step} of {count} of pretraining")
            yield batch

    own = optimizers or [recipe.optimizer] * len(trials)
    beginning = Beginning(
        context=context,
        steps=steps,
        inputs=batches,
        optimizer=lambda one: Steppers(own, one.split(), alone=not recipe.stacks),
    )
    recipe.initial.put(network, beginning)
