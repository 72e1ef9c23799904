"""``bench.load``: stored results as tidy pandas tables, made when they are first asked for. Never imports torch.

Every table names its rows by dataset, technique, repeat, fold and replica as the suite's plan does, so that tables
join on these. The baseline trained once more (A/A) is a technique of its own there, with replica 1. docs/python.md
names every column with its unit.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.documents import standing
from bench.metrics import METRICS
from bench.resultsfolder import RESULTS, results_of
from bench.scoring import CROSSED
from bench.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from bench.reporting import Analysis

PLACE = ("dataset", "technique", "repeat", "fold", "replica")
COUNTS = ("steps", "stop_step", "examples", "flops")
SECONDS = ("cpu_seconds", "resample_seconds", "prepare_seconds", "evaluate_seconds", "score_seconds")
ROWS = ("rows_train", "rows_own", "rows_validation", "rows_test")
MADE = ("machine", "device", "versions", "commit", "fingerprint")
FLAGS = ("no_op", "dirty")
CURVES = {  # part: the columns of its steps, losses and scores
    "train": ("curve_step", "curve_train", None),
    "validation": ("curve_step", "curve_validation", None),
    "test": ("curve_test_step", "curve_test", "curve_test_score"),
}
WHOLE = ("rank", "place_low", "place_high")
COUNTED = ("done", "planned", "replica")
NESTED = (
    "statuses",
    "reasons",
    "metrics",
    "gains",
    "calibration",
)  # of a standing: the tables runs and scores hold them row by row
WORDS = (
    "dataset", "technique", "family", "verdict", "method", "sign", "not_applicable", "training", "rule", "metric",
    "gap_verdict", "train_verdict", "closing", "adjusted_verdict",
)  # fmt: skip


@dataclass(frozen=True)
class Results:
    """One suite's stored results. Each table is read, or computed, once; take a copy to change one.

    runs         one row per planned trial: how it ended, what it cost, where it was made
    scores       one row per trial, part (train, validation, test) and metric
    curves       one row per trial, step and part (train, validation; test where the suite asks for a test curve)
    differences  one row per dataset and technique: the difference to the baseline, its interval and the verdict
    """

    path: Path

    @cached_property
    def plan(self) -> Mapping[str, Any]:
        """Return the plan of the last run, as ``plan.json`` holds it."""
        return Store(self.path).read_plan()

    @cached_property
    def analysis(self) -> "Analysis":
        """Return what the report shows: the standings of every dataset."""
        from bench.reporting import analyse

        return analyse(Store(self.path))

    @cached_property
    def runs(self) -> "pd.DataFrame":
        """Return one row per planned trial, those that are missing too."""
        measured = self._records[["key", *COUNTS, *SECONDS, "stack", *ROWS, "threads", *MADE, *FLAGS]]
        table = self._planned.merge(measured, on="key", how="left")
        numbers = dict.fromkeys((*COUNTS, *SECONDS, "stack", *ROWS, "threads"), "float64")
        return table.astype({**numbers, **dict.fromkeys(FLAGS, "boolean")})

    @cached_property
    def scores(self) -> "pd.DataFrame":
        """Return one row per scored trial, part and metric that means something on the dataset."""
        import pandas as pd

        held = self._stored.scores()
        held = held[(held["reason"] == "") & (held["part"] != CROSSED)]
        table = self._planned[[*PLACE, "key", "rule"]].merge(
            held[["key", "rule", "part", *METRICS]], on=["key", "rule"]
        )
        long = table.melt([*PLACE, "part", "key"], list(METRICS), var_name="metric", value_name="value")
        fitting = [
            (facts["label"], name)
            for facts in self.plan["datasets"]
            for name, metric in METRICS.items()
            if metric.fits(facts["task"], facts.get("offers", ()))
        ]
        long = long.merge(pd.DataFrame(fitting, columns=pd.Index(["dataset", "metric"])), on=["dataset", "metric"])
        return long[[*PLACE, "part", "metric", "value", "key"]]

    @cached_property
    def curves(self) -> "pd.DataFrame":
        """Return one row per trial, step at which the loss was measured, and part; scores on test rows alone."""
        import pandas as pd

        names = {name for columns in CURVES.values() for name in columns if name}
        held = self._planned[[*PLACE, "key"]].merge(self._records[["key", "curve_metric", *sorted(names)]], on="key")
        parts = []
        for part, (step, loss, score) in CURVES.items():
            one = held[[*PLACE, "key"]].assign(step=held[step], part=part, loss=held[loss])
            one = one.assign(metric=held["curve_metric"] if score else "", score=held[score] if score else math.nan)
            parts.append(one.explode(["step", "loss", *(["score"] if score else [])]).dropna(subset=["step"]))
        table = pd.concat(parts, ignore_index=True).fillna({"metric": ""})
        table = table.astype({"step": "int64", "loss": "float64", "score": "float64", "metric": "str"})
        return table[[*PLACE, "step", "part", "loss", "metric", "score", "key"]]

    @cached_property
    def differences(self) -> "pd.DataFrame":
        """Return one row per dataset and technique, those that do not apply too; the noise floor last."""
        import pandas as pd

        rows = [
            {"dataset": one.label, "metric": one.metric, "margin": one.margin, **standing(each)}
            for one in self.analysis.datasets
            for each in (*one.standings, *([] if one.noise is None else [one.noise]))
        ]
        table = pd.DataFrame(rows).drop(columns=list(NESTED))
        table[list(WORDS)] = table[list(WORDS)].fillna("")
        numbers = table.columns.difference([*WORDS, *WHOLE, *COUNTED, "no_op"])
        return table.astype(dict.fromkeys(numbers, "float64") | dict.fromkeys(WHOLE, "Int64"))

    @cached_property
    def _stored(self) -> Store:
        return Store(self.path)

    @cached_property
    def _records(self) -> "pd.DataFrame":
        return self._stored.runs()

    @cached_property
    def _planned(self) -> "pd.DataFrame":
        """Return the planned trials with their status, which the report computes in the same way."""
        import pandas as pd

        from bench.reporting.trials import trial_table

        trials = trial_table(self.plan, self._stored)
        replicas = {(cell["dataset"], cell["technique"]): cell.get("replica", 0) for cell in self.plan["cells"]}
        table = pd.DataFrame(
            {name: trials[name] for name in (*PLACE[:4], "key", "rule", "training", "status", "reason")}
        )
        pairs = zip(table["dataset"], table["technique"], strict=True)
        table.insert(4, "replica", [replicas[pair] for pair in pairs])
        return table


def load(name: str | Path, results: Path = RESULTS) -> Results:
    """Return the stored results of a suite.

    name: 'imbalance', 'reference/imbalance', the suite's YAML file, or the path of a results folder. Raises UsageError
    where there are none of that name, and says which is nearest.
    """
    found = Results(results_of(name, Path(results)))
    _ = found.plan
    return found
