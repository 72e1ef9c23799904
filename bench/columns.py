"""The columns of a results folder, tier by tier."""

from typing import TYPE_CHECKING

from bench.metrics import METRICS

if TYPE_CHECKING:
    import pyarrow as pa


def schemas() -> "dict[str, pa.Schema]":
    """Return the columns of every tier."""
    import pyarrow as pa

    text, whole, real, flag = pa.string(), pa.int64(), pa.float64(), pa.bool_()
    word = pa.dictionary(pa.int32(), text)
    record = {
        "key": text, "training": word, "dataset": word, "technique": word, "repeat": whole, "fold": whole,
        "replica": whole, "status": word, "reason": text, "no_op": flag, "steps": whole, "stop_step": whole,
        "examples": whole, "flops": real, "cpu_seconds": real, "resample_seconds": real, "prepare_seconds": real,
        "evaluate_seconds": real, "score_seconds": real, "stack": whole, "rows_train": whole, "rows_own": whole,
        "rows_validation": whole, "rows_test": whole, "truth": word, "fingerprint": word, "split": word,
        "evaluation": word,
        "seen_prior": pa.list_(real), "validation_prior": pa.list_(real), "target_prior": pa.list_(real),
        "row_prior": pa.list_(real), "own_prior": pa.list_(real),
        "curve_step": pa.list_(whole), "curve_train": pa.list_(real), "curve_validation": pa.list_(real),
        "curve_test_step": pa.list_(whole), "curve_test": pa.list_(real), "curve_test_score": pa.list_(real),
        "curve_metric": word,
        "machine": word, "device": word, "threads": whole, "versions": word, "commit": word, "dirty": flag, "run": word,
    }  # fmt: skip
    score = {"key": text, "rule": word, "part": word, "rows": whole}
    score |= dict.fromkeys(METRICS, real) | {"confusion": pa.list_(whole), "reason": text, "revisions": word}
    label = {"key": text, "rule": word, "predicted": pa.list_(pa.uint8()), "values": pa.list_(pa.float32())}
    logit = {"key": text, "part": word, "logits": pa.binary(), "columns": whole, "targets": pa.list_(pa.uint8())}
    probe = {"training": word, "run": word, "machine": word, "stack": whole, "steps": whole, "cpu_seconds": real}
    tiers = {"records": record, "scores": score, "labels": label, "logits": logit, "probes": probe}
    return {tier: pa.schema(list(columns.items())) for tier, columns in tiers.items()}
