"""Make a finished run the reference: python tools/make_reference.py results/imbalance.

Records, scores and predicted labels are gathered into one part per dataset, so that they open quickly; logits and
probes stay behind, and so do the predicted values of forecasts whose repeats are independent, which nothing draws
again. What a report says does not change, and a run that goes on from a copy trains nothing twice.
"""

import json
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from bench.columns import schemas
from bench.files import read_table, write_table
from bench.reporting.index import write_indexes
from bench.reporting.page import write_report

TIERS = ("records", "scores", "labels")
SEARCH_TIERS = ("records", "scores")  # of search trials, which have no test rows
REFERENCE = Path("results/reference")


def gather(run: Path, reference: Path) -> None:
    """Write what a report needs of a run's folder to another folder, in one part per tier and dataset."""
    shutil.rmtree(reference, ignore_errors=True)
    for name in ("truth", "trainings", "searches/trainings"):
        if (run / name).is_dir():
            shutil.copytree(run / name, reference / name)
    shutil.copy(run / "plan.json", reference / "plan.json")
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    forecasts = {
        one["label"] for one in plan["datasets"] if (one["task"], one["repeats"]) == ("regression", "independent")
    }
    _by_dataset(run, reference, TIERS, forecasts)
    if (run / "searches").is_dir():
        _by_dataset(run / "searches", reference / "searches", SEARCH_TIERS, forecasts)


def _by_dataset(run: Path, reference: Path, tiers: tuple[str, ...], forecasts: set[str]) -> None:
    """Write one part per tier and dataset; ``forecasts``: datasets whose predicted values stay behind."""
    tables = {tier: _whole(run / tier, tier) for tier in tiers}
    for number, dataset in enumerate(tables["records"]["dataset"].unique().to_pylist()):
        own = tables["records"].filter(pc.field("dataset") == dataset)
        for tier, table in tables.items():
            part = table.filter(pc.is_in(table["key"], own["key"].combine_chunks()))
            if tier == "labels" and dataset in forecasts:
                part = _without_values(part)
            (reference / tier).mkdir(exist_ok=True)
            write_table(reference / tier / f"{number:06d}-{dataset}.parquet", part)


def _without_values(labels: pa.Table) -> pa.Table:
    """Return the rows of the tier of predictions, which say what is scored, without the predicted values."""
    empty = pa.array([[]] * len(labels), labels.schema.field("values").type)
    return labels.set_column(labels.column_names.index("values"), "values", empty)


def _whole(folder: Path, tier: str) -> pa.Table:
    """Return all parts of a tier, in the order in which they were written."""
    schema = schemas()[tier]
    parts = [read_table(file, schema) for file in sorted(folder.glob("*.parquet"))]
    return pa.concat_tables(parts).unify_dictionaries()


if __name__ == "__main__":
    source = Path(sys.argv[1])
    gather(source, REFERENCE / source.name)
    write_report(REFERENCE / source.name, Path("report/reference") / source.name)
    write_indexes(Path("report/reference"), [Path("report/reference") / source.name])
