"""The columns of a trial's record: who it is, how it ended, and what stands for what was not measured."""

import hashlib
from typing import Any

import numpy as np

from bench.jobs import Job
from bench.keys import Place
from bench.preparation import Prepared
from bench.process import machine
from bench.recipe import Recipe
from bench.recording import Recorded


def record(job: Job, place: Place, status: str = "ok", reason: str = "") -> dict[str, Any]:
    """Return a record with identity, status and provenance, and nothing measured yet."""
    training, technique = job.named(place.key)
    return {
        "key": place.key,
        "training": training,
        "dataset": job.dataset_label,
        "technique": technique,
        "repeat": place.repeat,
        "fold": place.fold,
        "replica": place.replica,
        "status": status,
        "reason": reason,
        **{name: _missing(kind) for name, kind in MEASURED.items()},
        **job.provenance,
        **machine(),
    }


MEASURED: dict[str, type] = {
    "no_op": bool, "steps": int, "stop_step": int, "examples": int, "flops": float, "cpu_seconds": float,
    "resample_seconds": float, "prepare_seconds": float, "evaluate_seconds": float, "score_seconds": float,
    "stack": int, "rows_train": int, "rows_own": int, "rows_validation": int, "rows_test": int, "truth": str,
    "fingerprint": str, "split": str, "evaluation": str,
    "seen_prior": list, "validation_prior": list, "target_prior": list, "row_prior": list, "own_prior": list,
    "curve_step": list, "curve_train": list, "curve_validation": list,
    "curve_test_step": list, "curve_test": list, "curve_test_score": list, "curve_metric": str,
}  # fmt: skip


def _missing(kind: type) -> Any:
    """Return what stands for 'not measured' in a column of this kind."""
    return float("nan") if kind is float else kind()


def passes(recipe: Recipe, steps: int, taken: int, rows: Prepared, each: float = 1.0) -> float:
    """Return how many forward passes of the whole network a training is worth; a step there and back is three.

    steps: at most, of which so many were taken; each: how often a step goes there and back. A phase that trains a part
    of the head takes one pass over the training rows; the head's own cost is left out, and so is that of a decoder in
    pretraining.
    """
    starts = recipe.starts(steps)
    passes = 3.0 * recipe.pretraining(steps) * recipe.batch_size
    for phase, start, end in zip((None, *recipe.phases), starts, (*starts[1:], steps), strict=True):
        own = max(0, min(taken, end) - start)
        if phase is None or phase.part == "all":
            passes += 3.0 * own * each * recipe.batch_size
        elif own:
            passes += len(rows.targets)
    return passes


def recorded(curve: Recorded, metric: str) -> dict[str, Any]:
    """Return the columns of a curve on test rows."""
    return {
        "curve_test_step": curve.steps,
        "curve_test": curve.loss,
        "curve_test_score": curve.score,
        "curve_metric": metric,
    }


def listed(prior: np.ndarray | None) -> list[float]:
    """Return class shares [C] as a list; an empty one where there are none."""
    return [] if prior is None else prior.tolist()


def truth_digest(truth: np.ndarray, day: np.ndarray | None) -> str:
    """Return the name of a set of test rows: a hash of their truth (and days), so that it is stored once."""
    hashed = hashlib.sha256(f"{truth.dtype}{truth.shape}".encode())
    hashed.update(np.ascontiguousarray(truth).data)
    if day is not None:
        hashed.update(day.data)
    return hashed.hexdigest()[:32]
