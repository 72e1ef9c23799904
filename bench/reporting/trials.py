"""The plan's cells joined with what the store holds of them: one row per (dataset, technique, repeat, fold)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.metrics import METRICS

if TYPE_CHECKING:
    import pandas as pd

    from bench.store import Store

RUN_COLUMNS = (
    "status", "reason", "no_op", "steps", "examples", "flops", "cpu_seconds", "resample_seconds", "stack",
    "rows_train", "rows_own", "rows_test", "truth", "machine", "commit", "dirty", "versions", "threads", "device",
)  # fmt: skip
TRAIN = "train_"  # before the name of a metric: its score on the rows trained on


def trial_table(plan: Mapping[str, Any], store: "Store") -> "pd.DataFrame":
    """Return the planned trials of every cell with their records and scores.

    status: that of the record; 'missing' without one, 'unscored' where the cell's rule has no test score yet. Columns
    named as a metric hold test scores, those with ``train_`` before it the scores on the rows trained on.
    """
    import pandas as pd

    planned = pd.DataFrame(
        [
            (cell["dataset"], cell["technique"], cell["training"], cell["rule"] or "", key, repeat, fold)
            for cell in plan["cells"]
            for key, (repeat, fold) in zip(cell["keys"], cell["repeat_fold"], strict=True)
        ],
        columns=pd.Index(["dataset", "technique", "training", "rule", "key", "repeat", "fold"]),
    )
    scores = store.scores()
    test = scores[scores["part"] == "test"].drop(columns=["part", "rows"])
    train = scores.loc[scores["part"] == "train", ["key", "rule", *METRICS]]
    train = train.rename(columns={name: TRAIN + name for name in METRICS})
    test = test.assign(scored=True)
    table = planned.merge(store.runs()[["key", *RUN_COLUMNS]], on="key", how="left")
    table = table.merge(test, on=["key", "rule"], how="left").merge(train, on=["key", "rule"], how="left")
    table["status"] = table["status"].astype(object).where(table["status"].notna(), "missing")
    unscored = (table["status"] == "ok") & table["scored"].isna()
    table.loc[unscored, "status"] = "unscored"
    return table.drop(columns="scored")
