"""Memory: estimates hold against what samplers were seen to take, and what does not fit is refused before it starts."""

import dataclasses
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from bench.keys import Place, digest
from bench.stages import memory
from bench.stages.cleaning import EditedNearestNeighbours, InstanceHardness, NearMiss, OneSidedSelection, TomekLinks
from bench.stages.generating import AutoencoderSamples
from bench.stages.resampling import OverSample, Smote
from bench.stages.sampler import Resample, class_counts
from bench.stages.smote_cleaned import SmoteTomek
from bench.stages.smote_variants import Adasyn, BorderlineSmote, KmeansSmote, SvmSmote
from bench.stages.smoting import Smotenc
from bench.work import Job, run_job
from tests import tiny


def world(counts: tuple[int, ...], numbers: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(len(counts)), counts)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(len(labels), numbers)) + 0.1 * labels[:, None]
    return rows.astype(np.float32), labels


def images(counts: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    rows, labels = world(counts, 768)
    return np.clip(rows * 20 + 100, 0, 255).astype(np.uint8).reshape(-1, 3, 16, 16), labels


@pytest.mark.parametrize(
    ("stage", "counts", "numbers"),
    [
        (Smote(), (1500, 60), 0),
        (BorderlineSmote(), (1500, 200), 0),
        (KmeansSmote(), (1500, 200), 0),
        (Adasyn(), (1500, 200), 0),
        (TomekLinks(), (1500, 200), 0),
        (OneSidedSelection(), (1500, 200), 0),
        (InstanceHardness(), (1500, 200), 0),
        (EditedNearestNeighbours(), (5000, 200), 8),
        (NearMiss(2), (6000, 2000), 8),
        (SmoteTomek(), (1500, 60), 0),
    ],
    ids=lambda value: value.kind if isinstance(value, Resample) else "",
)
def test_an_estimate_is_above_what_arrays_take_and_not_far_above(
    stage: Resample, counts: tuple[int, ...], numbers: int
) -> None:
    rows, labels = world(counts, numbers) if numbers else images(counts)
    stage.load()
    few = slice(None, None, 20)
    Smote(1).resample(rows[few], labels[few], 0)  # loads what is loaded late
    tracemalloc.start()
    try:
        stage.resample(rows, labels, 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    estimate = stage.memory(class_counts(labels), rows[0].size)
    assert peak <= estimate <= 4 * peak, f"{estimate / peak:.2f} times"


SVM = """
import re
from pathlib import Path
from bench.stages.smote_variants import SvmSmote
from tests.test_resampling_memory import world


def held(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])


rows, labels = world((3000, 600), 200)
SvmSmote().resample(rows[2900:3100], labels[2900:3100], 0)  # loads what is loaded late
before = held("VmRSS")
SvmSmote().resample(rows, labels, 0)
print(held("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of a process")
def test_the_estimate_of_svm_smote_is_above_what_its_process_takes() -> None:
    done = subprocess.run([sys.executable, "-c", SVM], capture_output=True, text=True, check=True)
    peak, estimate = int(done.stdout), SvmSmote().memory({0: 3000, 1: 600}, 200)
    assert peak <= estimate <= 4 * peak, f"{estimate / peak:.2f} times"


@pytest.mark.parametrize(
    "stage", [Smote(), BorderlineSmote(), SvmSmote(), NearMiss(2), AutoencoderSamples(), Smotenc()]
)
def test_an_estimate_grows_with_rows_and_with_numbers(stage: Resample) -> None:
    one = stage.memory({0: 1000, 1: 100}, 10)
    assert one < stage.memory({0: 2000, 1: 100}, 10)
    assert one < stage.memory({0: 1000, 1: 100}, 20)


def test_random_samplers_hold_nothing_to_speak_of() -> None:
    assert OverSample().memory({0: 10**9, 1: 5}, 10**6) == 0


def test_what_does_not_fit_is_refused_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 5_000_000_000)
    monkeypatch.setattr(SvmSmote, "resample", lambda *_: pytest.fail("it started"))
    rows = np.broadcast_to(np.zeros(1, np.uint8), (50_000, 3, 32, 32))
    sentence = (
        r"svm-smote on 50000 rows of 3072 numbers needs about \d\d GB, and 5 GB are free; "
        "take fewer rows or another sampler"
    )
    with pytest.raises(ValueError, match=sentence):
        SvmSmote().apply(rows, np.repeat([0, 1], [45_000, 5_000]), 0)


def test_a_trial_that_does_not_fit_is_a_failed_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 10_000)
    dataset = tiny.DATASETS["table"]
    recipe = dataclasses.replace(tiny.baseline(dataset), resample=BorderlineSmote())
    places, identity = (Place(0, 0, 0, "key"),), digest(dataset.identity())
    (record,) = run_job(Job("0-x", 7, dataset, identity, "tiny", "one", "t", recipe, 3, places, (), {})).runs
    assert record["status"] == "failed"
    assert record["reason"].startswith("borderline-smote on 72 rows of 8 numbers needs about ")


@pytest.mark.parametrize(
    ("limit", "used", "left"), [("max", "5", None), ("1000", "400", 600), ("1000", "1400", 0), (None, None, None)]
)
def test_a_containers_limit_counts_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str | None, used: str | None, left: int | None
) -> None:
    import psutil

    for name, text in (("memory.max", limit), ("memory.current", used)):
        if text is not None:
            (tmp_path / name).write_text(f"{text}\n", encoding="ascii")
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    available = psutil.virtual_memory().available
    if left is None:
        assert 0.5 * available < memory.free_memory() < 2 * available
    else:
        assert memory.free_memory() == left
