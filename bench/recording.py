"""The recorder: loss and score on test rows along a training, for people to look at.

It works once a training is done, on copies of the weights that were taken on the way, and what it finds chooses
nothing: no stopping, no rule, no rank, no verdict. The network is left as the training left it.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from bench import members, metrics, training
from bench.metrics import METRICS
from bench.recipe import Recipe
from bench.scoring import relative
from bench.stages.decisions import Fitted, to_logits

POINTS = 20  # at most, in one training


@dataclass(frozen=True)
class HeldOut:
    """All test rows of one trial.

    inputs   as the network takes them
    truth    classes int64 [N], or values float [N, K] in the data's own unit; day: int64 [N] or None
    scaled   the truth as training sees it: the same classes, or standardised values
    restore  from standardised values to the data's; unit: what errors are given in
    """

    inputs: np.ndarray
    truth: np.ndarray
    day: np.ndarray | None
    scaled: np.ndarray
    restore: Callable[[np.ndarray], np.ndarray]
    unit: float


@dataclass(frozen=True)
class Recorded:
    """Of one trial, up to its last step: optimizer steps, plain loss and score on test rows, one entry each.

    The loss is the mean cross-entropy, or of a regression the mean squared error of standardised values. NaN where
    the outputs were not finite.
    """

    steps: list[int]
    loss: list[float]
    score: list[float]


def curve_steps(steps: int) -> list[int]:
    """Return the optimizer steps at which a training of so many is recorded: evenly spaced, the last one included."""
    count = min(POINTS, steps)
    return [round(steps * (index + 1) / count) for index in range(count)]


def record(fits: Sequence[training.Fit], tests: Sequence[HeldOut], metric: str, recipe: Recipe) -> list[Recorded]:
    """Return the test curves of some trials, by one metric under the plain rule (largest logit).

    fits: the stacks that their members trained in, one after another. A trial's curve ends with its own last step,
    whatever trained beside it; one that diverged has none. A network whose weights are solved for has one point, at
    step 0. A network that is changed after training is judged at each point as if its training had ended there.
    """
    curves = [Recorded([], [], []) for _ in tests]
    together = members.joined(fits, recipe.members)
    for step, outputs in _on_the_way(fits, tests, recipe):
        for trial, (one, own) in enumerate(zip(tests, outputs, strict=True)):
            if step <= together.steps[trial] and not together.diverged[trial]:
                finite = bool(np.isfinite(own).all())
                curves[trial].steps.append(step)
                curves[trial].loss.append(_loss(own, one) if finite else math.nan)
                curves[trial].score.append(_score(own, one, metric) if finite else math.nan)
    return curves


def _on_the_way(
    fits: Sequence[training.Fit], tests: Sequence[HeldOut], recipe: Recipe
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yield the steps at which snapshots were taken and each trial's outputs [N, C] then.

    A member that ended before is taken as it was last.
    """
    regression = any(one.scaled.dtype.kind == "f" for one in tests)
    columns = [one.inputs for one in tests for _ in range(recipe.members)]
    each = len(fits[0].steps)
    for step in max(([step for step, _ in fit.snapshots] or [0] for fit in fits), key=len):
        outputs = []
        for at, fit in enumerate(fits):
            state = _state_after(fit, step) if fit.snapshots else {}
            with training.at(fit.network, state):
                if recipe.finish is not None and state:
                    recipe.finish.finish(fit.network)
                outputs += training.predict(fit.network, columns[at * each : (at + 1) * each])
        yield step, members.averaged(outputs, recipe.members, regression)


def _state_after(fit: training.Fit, step: int) -> Mapping[str, torch.Tensor]:
    """Return the state of a stack at a snapshot; of a column that ended before, as it was at its last one."""
    taken = np.array([step for step, _ in fit.snapshots])
    places = np.searchsorted(taken, np.minimum(fit.steps, step), side="right") - 1
    states = [fit.snapshots[max(0, place)][1] for place in places]
    if all(state is states[0] for state in states):
        return states[0]
    return {name: torch.stack([state[name][at] for at, state in enumerate(states)]) for name in states[0]}


def _loss(outputs: np.ndarray, one: HeldOut) -> float:
    """Return the plain loss of outputs float32 [N, C], as the curves of training and validation rows have it."""
    values, targets = torch.from_numpy(outputs).double(), torch.from_numpy(one.scaled)
    if one.scaled.dtype.kind == "f":
        return float(functional.mse_loss(values, targets.double()))
    return float(functional.cross_entropy(values, targets))


def _score(outputs: np.ndarray, one: HeldOut, metric: str) -> float:
    """Return a metric of outputs float32 [N, C], computed as stored scores are: classes from float16 logits."""
    if METRICS[metric].task == "regression":
        return metrics.regression(one.truth, one.restore(outputs).astype(np.float32), one.unit)[metric]
    nothing = np.zeros(outputs.shape[1])
    decision = Fitted(nothing, nothing).apply(to_logits(relative(outputs)))
    if METRICS[metric].kind == "count":  # a hundredth of the time that all metrics take
        counts = metrics.confusion(one.truth, decision.predicted, outputs.shape[1])
        return float(metrics.score(counts, metric))
    scores, _ = metrics.classification(one.truth, decision.log_probabilities, decision.predicted, one.day)
    return scores[metric]
