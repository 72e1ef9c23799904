"""An ensemble's members: columns of one stack while they train, one network to the outside.

Members of a trial stand side by side, trial after trial: column trial * M + member.
"""

from collections.abc import Sequence

import numpy as np

from bench.progress import Curve, Fit
from bench.stages.decisions import log_softmax


def averaged(outputs: Sequence[np.ndarray], members: int, regression: bool) -> list[np.ndarray]:
    """Return each trial's outputs float32 [N, C] from those of its members, each [N, C].

    Of a classification logits of the mean of the members' probabilities (soft voting); of a regression mean values.
    """
    if members == 1:
        return list(outputs)
    together = []
    for start in range(0, len(outputs), members):
        own = np.stack(outputs[start : start + members]).astype(np.float64)
        if not regression:
            own = np.exp(log_softmax(own.reshape(-1, own.shape[2]))).reshape(own.shape)
        mean = own.mean(axis=0)
        together.append((mean if regression else np.log(np.maximum(mean, 1e-300))).astype(np.float32))
    return together


def joined(fits: Sequence[Fit], members: int) -> Fit:
    """Return what the trainings of some trials gave, from those of their members, stack after stack.

    steps, stop_step: the largest of the members'; diverged: whether any did; curves: means of what members have;
    seconds: sums. The network and the snapshots are those of the first stack.
    """
    first = fits[0]
    if members == 1 and len(fits) == 1:
        return first
    seen = [fit.seen for fit in fits if fit.seen is not None]
    columns = sum(len(fit.steps) for fit in fits)
    share = [len(fit.steps) / columns * members for fit in fits]  # seconds are per column
    return Fit(
        network=first.network,
        curve=_mean_curve(fits, members),
        steps=_each(fits, "steps", members).max(axis=1),
        stop_step=_each(fits, "stop_step", members).max(axis=1),
        diverged=_each(fits, "diverged", members).max(axis=1),
        seconds=sum(fit.seconds * part for fit, part in zip(fits, share, strict=True)),
        evaluate_seconds=sum(fit.evaluate_seconds * part for fit, part in zip(fits, share, strict=True)),
        snapshots=first.snapshots,
        resample_seconds=sum(fit.resample_seconds * part for fit, part in zip(fits, share, strict=True)),
        seen=np.concatenate(seen)[::members] if seen else None,
    )


def _each(fits: Sequence[Fit], name: str, members: int) -> np.ndarray:
    """Return one number of every column as [trials, members]."""
    return np.concatenate([getattr(fit, name) for fit in fits]).reshape(-1, members)


def _mean_curve(fits: Sequence[Fit], members: int) -> Curve:
    """Return the members' mean curve, over the validations that all of them had."""
    steps = [step for step in fits[0].curve.steps if all(step in fit.curve.steps for fit in fits)]
    means = {}
    for name in ("train", "validation"):
        own = [getattr(fit.curve, name)[:, [fit.curve.steps.index(step) for step in steps]] for fit in fits]
        means[name] = np.concatenate(own).reshape(-1, members, len(steps)).mean(axis=1)
    return Curve(steps, **means)
