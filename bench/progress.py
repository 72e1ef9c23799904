"""What is watched while a stack trains: validation on fixed rows, whose weights to keep, who has stopped or diverged.

Nothing here changes a training but its end. Test rows are not an argument of anything here.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional

from bench import metrics
from bench.course import Course
from bench.networks.layers import Network
from bench.prediction import copied, predict, state_of
from bench.preparation import Prepared
from bench.recipe import Recipe
from bench.stages.context import Context

VALIDATIONS = 10  # at most, in one training
VALIDATION_SHARE = 0.15  # of the training's work, at most
CURVE_ROWS = 1024  # training rows on which the learning curve is measured


@dataclass(frozen=True)
class Curve:
    """Plain loss of the running weights at each validation: steps [V]; training and validation rows, float [T, V].

    Running weights are those that the optimizer trains (or, of a schedule-free one, averages as it goes): whatever is
    kept in the end, early stopping's best or an average, is not in the curve. It goes on for as long as any trial of
    the stack trains; each trial's own part ends at its steps.
    """

    steps: list[int]
    train: np.ndarray
    validation: np.ndarray


@dataclass(frozen=True)
class Fit:
    """What a stack's training gives.

    network    with the final (or kept) weights of all T trials
    steps      optimizer steps taken, int [T]; stop_step: the step whose weights were kept, int [T]
    diverged   trials whose loss became non-finite, bool [T]
    seconds    thread CPU seconds of training per trial (the stack's divided by T), evaluation and resampling apart;
               resample_seconds: of resampling in the course of it
    prior      class shares float64 [T, C] whose posterior the outputs estimate: what the loss saw when the weights that
               are kept were trained, as it weighs them; None for a regression
    passes     there and back that the stack took per step: more than one where a step takes gradients again
    snapshots  copies of the running state after the steps asked for, as far as the stack came, for ``prediction.at``
    """

    network: Network
    curve: Curve
    steps: np.ndarray
    stop_step: np.ndarray
    diverged: np.ndarray
    seconds: float
    evaluate_seconds: float
    snapshots: list[tuple[int, dict[str, torch.Tensor]]] = field(default_factory=list)
    resample_seconds: float = 0.0
    prior: np.ndarray | None = None
    passes: float = 1.0


@dataclass(frozen=True)
class Measured:
    """One validation, float64 [T] each: mean loss on training rows; on validation rows loss and, where asked, score.

    What is measured on validation rows is weighted to the target prior. score: macro-F1 of the largest logit.
    """

    train: np.ndarray
    validation: np.ndarray
    score: np.ndarray | None = None


class Validator:
    """Measures plain loss on a fixed subset of each trial's own training rows, and the validation rows."""

    def __init__(self, trials: Sequence[Prepared], context: Context) -> None:
        self.regression = context.regression
        self._train = [self._some(trial) for trial in trials]
        train_rows = [
            (trial.own_inputs[rows], trial.own_targets[rows]) for trial, rows in zip(trials, self._train, strict=True)
        ]
        validation = [(trial.validation_inputs, trial.validation_targets) for trial in trials]
        self._inputs = [np.concatenate([a[0], b[0]]) for a, b in zip(train_rows, validation, strict=True)]
        self._targets = [
            torch.from_numpy(np.concatenate([a[1], b[1]])) for a, b in zip(train_rows, validation, strict=True)
        ]
        self._weights = [torch.from_numpy(trial.validation_weights) for trial in trials]
        self.cut = [len(rows) for rows in self._train]
        self.rows = max(len(inputs) for inputs in self._inputs)
        self.seconds = 0.0

    @staticmethod
    def _some(trial: Prepared) -> np.ndarray:
        """Return at most CURVE_ROWS of the trial's own training rows, always the same ones."""
        order = trial.streams.numpy("curve rows").permutation(len(trial.own_targets))
        return np.sort(order[:CURVE_ROWS])

    def measure(self, network: Network, scored: bool = False) -> Measured:
        """Measure the losses and, where ``scored``, the score; count the time."""
        began = time.thread_time()
        train, validation, score = [], [], []
        outputs = predict(network, self._inputs)
        for output, targets, weights, cut in zip(outputs, self._targets, self._weights, self.cut, strict=True):
            each = self._each(torch.from_numpy(output).double(), targets)
            train.append(float(each[:cut].mean()))
            validation.append(float((each[cut:] * weights).sum() / weights.sum()))
            if scored:
                score.append(macro_f1(output[cut:], targets[cut:].numpy(), weights.numpy()))
        self.seconds += time.thread_time() - began
        return Measured(np.array(train), np.array(validation), np.array(score) if scored else None)

    def _each(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self.regression:
            return (outputs - targets.double()).square().mean(1)
        return functional.cross_entropy(outputs, targets, reduction="none")


def macro_f1(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Return macro-F1 of the largest of logits [N, C] for labels int64 [N], each row counted with its weight [N]."""
    classes = logits.shape[1]
    confusion = np.bincount(labels * classes + logits.argmax(1), weights, minlength=classes**2)
    return float(metrics.per_class(confusion.reshape(classes, classes)).f1.mean())


class Progress:
    """When to validate, which weights to keep, which trials have stopped or diverged (they are frozen, not dropped)."""

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        course: Course,
        steps: int,
        validator: Validator,
        snapshots: Sequence[int] = (),
    ) -> None:
        affordable = int(3 * VALIDATION_SHARE * steps * recipe.batch_size / validator.rows)
        count = max(1, min(VALIDATIONS, affordable, steps))
        trials = len(validator.cut)
        self._at = {round(steps * (i + 1) / count) for i in range(count)}
        self._network, self._course, self._validator = network, course, validator
        self._watch = recipe.stopping.begin(trials, validator.regression) if recipe.stopping else None
        self._active = np.ones(trials, dtype=bool)
        self._diverged = np.zeros(trials, dtype=bool)
        self._steps = np.full(trials, steps)
        self._kept_step = np.full(trials, steps)
        self._kept: dict[str, torch.Tensor] = {}
        self._sum = torch.zeros(trials)
        self._curve: list[tuple[int, Measured]] = []
        self._wanted = set(snapshots)
        self._snapshots: list[tuple[int, dict[str, torch.Tensor]]] = []

    def finished(self, step: int, losses: torch.Tensor) -> bool:
        """Take the losses [T] of one step; validate where it is time. Return whether no trial is left to train."""
        self._sum += losses.cpu()
        if step not in self._wanted and step not in self._at:
            return False
        began = time.thread_time()
        with self._course.evaluated():
            self._validator.seconds += time.thread_time() - began
            return self._look(step)

    def _look(self, step: int) -> bool:
        """Take a snapshot, validate, or both, at the weights that are evaluated."""
        if step in self._wanted:
            self._snapshot(step)
        if step not in self._at:
            return False
        watch = self._watch
        measured = self._validator.measure(self._network, watch is not None and watch.of == "score")
        self._curve.append((step, measured))
        self._course.watch(measured.validation)
        broken = self._active & ~(np.isfinite(self._sum.numpy()) & np.isfinite(measured.validation))
        self._diverged |= broken
        self._end(broken, step)
        if watch is not None:
            watched = measured.validation if measured.score is None else measured.score
            improved, stop = watch.update(watched, self._active)
            self._keep(improved, step)
            self._end(stop, step)
        return not self._active.any()

    def _end(self, which: np.ndarray, step: int) -> None:
        self._steps[which] = step
        self._active &= ~which

    def _snapshot(self, step: int) -> None:
        """Copy the running state. The time counts as evaluation."""
        began = time.thread_time()
        self._snapshots.append((step, copied(state_of(self._network))))
        self._validator.seconds += time.thread_time() - began

    def _keep(self, which: np.ndarray, step: int) -> None:
        """Copy the present weights, and running statistics, of some trials."""
        state = state_of(self._network)
        if not self._kept:
            self._kept = copied(state)
        chosen = torch.from_numpy(which)
        for name, value in state.items():
            self._kept[name][chosen] = value[chosen]
        self._kept_step[which] = step

    def result(self, seconds: float) -> Fit:
        """Put the kept weights back and return what the training gave. Seconds are the whole stack's."""
        for name, value in state_of(self._network).items():
            if name in self._kept:
                value.copy_(self._kept[name])
        if self._watch is None:
            self._kept_step = self._steps.copy()
        trials = len(self._steps)
        return Fit(
            network=self._network,
            curve=Curve(
                [step for step, _ in self._curve],
                np.stack([measured.train for _, measured in self._curve], axis=1),
                np.stack([measured.validation for _, measured in self._curve], axis=1),
            ),
            steps=self._steps,
            stop_step=self._kept_step,
            diverged=self._diverged,
            seconds=seconds / trials,
            evaluate_seconds=self._validator.seconds / trials,
            snapshots=self._snapshots,
            resample_seconds=self._course.resample_seconds / trials,
            prior=self._course.prior(self._kept_step),
            passes=self._course.passes / max(1, int(self._steps.max())),
        )
