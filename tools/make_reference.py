"""Make a finished run the reference: python tools/make_reference.py results/imbalance.

Records, scores and predicted labels are gathered into one part per dataset, so that they open quickly; logits and
probes stay behind, and so do the predicted values of forecasts whose repeats are independent, which nothing draws
again. What a report says does not change.
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
REFERENCE = Path("results/reference")


def gather(run: Path, reference: Path) -> None:
    """Write what a report needs of a run's folder to another folder, in one part per tier and dataset."""
    shutil.rmtree(reference, ignore_errors=True)
    for name in ("truth", "trainings"):
        shutil.copytree(run / name, reference / name)
    shutil.copy(run / "plan.json", reference / "plan.json")
    tables = {tier: _whole(run / tier, tier) for tier in TIERS}
    datasets = tables["records"]["dataset"].unique().to_pylist()
    facts = {one["label"]: one for one in json.loads((run / "plan.json").read_text(encoding="utf-8"))["datasets"]}
    for number, dataset in enumerate(datasets):
        own = tables["records"].filter(pc.field("dataset") == dataset)
        forecast = (facts[dataset]["task"], facts[dataset]["repeats"]) == ("regression", "independent")
        for tier, table in tables.items():
            keys = own["key"][:0] if tier == "labels" and forecast else own["key"]
            part = table.filter(pc.is_in(table["key"], keys.combine_chunks()))
            (reference / tier).mkdir(exist_ok=True)
            write_table(reference / tier / f"{number:06d}-{dataset}.parquet", part)


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
