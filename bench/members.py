"""An ensemble's members: columns of one stack while they train, one network to the outside.

Members of a trial stand side by side, trial after trial: column trial * M + member.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.preparation import Prepared
from bench.progress import Curve, Fit
from bench.stages.decisions import log_softmax

COMMON = ("rows", "own_inputs", "own_targets", "validation_inputs", "validation_targets")


@dataclass(frozen=True, kw_only=True)
class Together(Fit):
    """What the trainings of some trials gave, M members of each taken together.

    steps, stop_step: the largest of the members'; diverged: whether any did; curves and prior: means of the members';
    seconds: sums. The network and the snapshots are those of the first stack.

    member_steps, member_diverged: int and bool [T, M]
    """

    member_steps: np.ndarray
    member_diverged: np.ndarray


def sharing(members: Iterable[Prepared]) -> tuple[Prepared, ...]:
    """Return what the members of a trial train on, with the rows that all of them have held in memory once."""
    held: list[Prepared] = []
    for one in members:
        first = held[0] if held else one
        common = {name: getattr(first, name) for name in COMMON}
        if one.inputs is one.own_inputs:
            common |= {"inputs": first.own_inputs, "targets": first.own_targets}
        held.append(dataclasses.replace(one, **common))
    return tuple(held)


def averaged(outputs: Sequence[np.ndarray], members: int, regression: bool) -> list[np.ndarray]:
    """Return each trial's outputs float32 [N, C] from those of its members, each [N, C].

    Of a classification logits of the mean of the members' probabilities (soft voting); of a regression mean values.
    Where a member's are not finite, theirs are not.
    """
    if members == 1:
        return list(outputs)
    together = []
    for start in range(0, len(outputs), members):
        own = np.stack(outputs[start : start + members]).astype(np.float64)
        with np.errstate(invalid="ignore"):  # inf - inf is NaN, and is told as divergence
            mean = own.mean(axis=0) if regression else _mean_probability(own)
        together.append(mean.astype(np.float32))
    return together


def _mean_probability(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm [N, C] of the mean probability, for the members' logits [M, N, C]."""
    probabilities = np.exp(log_softmax(logits.reshape(-1, logits.shape[2]))).reshape(logits.shape)
    return np.log(np.maximum(probabilities.mean(axis=0), 1e-300))


def joined(fits: Sequence[Fit], members: int) -> Together:
    """Return what the trainings of some trials gave, from those of their members, stack after stack."""
    first = fits[0]
    columns = sum(len(fit.steps) for fit in fits)
    share = [len(fit.steps) / columns * members for fit in fits]  # seconds are per column
    steps, diverged = (_each([getattr(fit, name) for fit in fits], members) for name in ("steps", "diverged"))
    priors = [fit.prior for fit in fits if fit.prior is not None]

    def total(name: str) -> float:
        return sum(getattr(fit, name) * part for fit, part in zip(fits, share, strict=True))

    return Together(
        network=first.network,
        curve=_mean_curve(fits, members),
        steps=steps.max(axis=1),
        stop_step=_each([fit.stop_step for fit in fits], members).max(axis=1),
        diverged=diverged.max(axis=1),
        seconds=total("seconds"),
        evaluate_seconds=total("evaluate_seconds"),
        snapshots=first.snapshots,
        resample_seconds=total("resample_seconds"),
        prior=_mean(_each(priors, members)) if priors else None,
        passes=total("passes") / members,
        member_steps=steps,
        member_diverged=diverged,
    )


def _each(arrays: Sequence[np.ndarray], members: int) -> np.ndarray:
    """Return what stacks have for their columns as [trials, members, ...]."""
    every = np.concatenate(arrays)
    return every.reshape(-1, members, *every.shape[1:])


def _mean(each: np.ndarray) -> np.ndarray:
    """Return means over members, [T, ...] of [T, M, ...]; of equal values it is their value to the bit."""
    first = each[:, 0]
    return first + (each - each[:, :1]).mean(axis=1)


def _mean_curve(fits: Sequence[Fit], members: int) -> Curve:
    """Return the members' mean curve, over the validations that all of them had."""
    steps = [step for step in fits[0].curve.steps if all(step in fit.curve.steps for fit in fits)]
    means = {}
    for name in ("train", "validation"):
        own = [getattr(fit.curve, name)[:, [fit.curve.steps.index(step) for step in steps]] for fit in fits]
        means[name] = _each(own, members).mean(axis=1)
    return Curve(steps, **means)
