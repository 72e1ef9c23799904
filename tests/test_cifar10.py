"""CIFAR-10: how it comes to a machine, what it is then, and what a run does without it."""

import hashlib
import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar
from urllib.error import URLError

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bench.cli import main
from bench.datafolder import held, install
from bench.datasets import cifar10_files, create
from bench.datasets.cifar10 import Cifar10, import_images
from bench.datasets.cifar10_files import CLASSES, Expected
from bench.errors import UsageError
from bench.plan import make_plan
from bench.suitefile import load_suite

COUNTS = {
    10: (5000, 3871, 2997, 2320, 1796, 1391, 1077, 834, 645, 500),
    50: (5000, 3237, 2096, 1357, 878, 568, 368, 238, 154, 100),
    100: (5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50),
}
PER_CLASS = {"train": 10, "test": 2}


def batches(seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images and labels of a miniature: five training batches of 20 and a test batch, all classes in each."""
    rng = np.random.default_rng(seed)
    found = {}
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        labels = rng.permutation(np.repeat(np.arange(10), 2))
        found[name] = rng.integers(0, 256, (20, 3072), dtype=np.uint8), labels
    return found


class Python2Pickler(pickle._Pickler):
    """Writes words and bytes alike as Python 2 did, by which the official files were written."""

    dispatch: ClassVar[dict] = dict(pickle._Pickler.dispatch)
    write: Callable[[bytes], object]

    def save_word(self, word: str | bytes) -> None:
        content = word.encode("latin1") if isinstance(word, str) else word
        self.write(pickle.BINSTRING + len(content).to_bytes(4, "little") + content)

    dispatch[str] = dispatch[bytes] = save_word


def official(found: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, bytes]:
    """The miniature as files in the official format."""
    files = {}
    for name, (data, labels) in found.items():
        out = io.BytesIO()
        batch = {"batch_label": name, "labels": labels.tolist(), "data": data, "filenames": ["x.png"] * len(data)}
        Python2Pickler(out, protocol=2).dump(batch)
        files[name] = out.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    return files


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as out:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(content)
            out.addfile(entry, io.BytesIO(content))
    return path


def expect(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the checksums of these files for the published ones."""
    sums = {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(cifar10_files, "expected", lambda: Expected(sums, PER_CLASS))


def images_by_class(folder: Path, part: str) -> dict[int, set[bytes]]:
    images, labels = np.load(folder / f"{part}-images.npy"), np.load(folder / f"{part}-labels.npy")
    return {label: {image.tobytes() for image in images[labels == label]} for label in range(10)}


def test_the_official_files_are_imported_image_by_image(
    tmp_path: Path, no_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    written = batches()
    files = official(written)
    expect(files, monkeypatch)
    about = import_images(archive(tmp_path / "cifar-10-python.tar.gz", files))
    assert about == held("cifar10")
    assert about.origin == "official files"
    found = images_by_class(tmp_path / "data" / "cifar10", "train")
    for label in range(10):
        expected = set()
        for name, (data, labels) in written.items():
            if name != "test_batch":
                expected |= {row.tobytes() for row in data[labels == label]}
        assert found[label] == expected
    with pytest.raises(UsageError, match="does not exist"):
        import_images(tmp_path / "other")
    assert held("cifar10") == about, "a failed import leaves what was there"


def test_one_changed_byte_in_an_official_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = official(batches())
    expect(files, monkeypatch)
    changed = files | {"data_batch_3": files["data_batch_3"][:-2] + b"\x00."}
    with pytest.raises(UsageError, match="'data_batch_3' is not the official file"):
        import_images(archive(tmp_path / "archive", changed))


def test_official_files_hold_numpy_arrays_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = official(batches())
    files["test_batch"] = b"cos\nsystem\n(S'touch " + str(tmp_path / "evil").encode() + b"'\ntR."
    expect(files, monkeypatch)
    with pytest.raises(UsageError, match=r"'test_batch' is not a batch of CIFAR-10 .it asks for os.system"):
        import_images(archive(tmp_path / "archive", files))
    assert not (tmp_path / "evil").exists()


def folder_of(path: Path, counts: dict[str, int], seed: int = 0) -> Path:
    from PIL import Image

    rng = np.random.default_rng(seed)
    for part, count in counts.items():
        for name in CLASSES:
            (path / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(path / part / name / f"{number:04d}.png")
    return path


def test_a_folder_of_images_gives_the_same_as_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10_files, "expected", lambda: Expected({}, PER_CLASS))
    folder = folder_of(tmp_path / "images", PER_CLASS)
    with tarfile.open(tmp_path / "images.tar.xz", "w:xz") as out:
        out.add(folder, "CIFAR-10-images")
    prints = []
    for number, source in enumerate((folder, tmp_path / "images.tar.xz")):
        monkeypatch.setenv("BENCH_DATA", str(tmp_path / str(number)))
        seen: list[int] = []
        prints.append(import_images(source, seen.append).fingerprint)
        assert seen == list(range(1, 121))
    assert prints[0] == prints[1]
    from PIL import Image

    images, labels = (np.load(tmp_path / "0" / "cifar10" / f"test-{what}.npy") for what in ("images", "labels"))
    with Image.open(folder / "test" / "cat" / "0001.png") as image:
        np.testing.assert_array_equal(images[labels == 3][1], np.asarray(image).transpose(2, 0, 1))


def fake_images(monkeypatch: pytest.MonkeyPatch, folder: Path, seed: int = 0) -> None:
    """Put noise in the place of the images; the labels are right."""
    monkeypatch.setenv("BENCH_DATA", str(folder))
    rng = np.random.default_rng(seed)
    arrays = {}
    for part, each in cifar10_files.PER_CLASS.items():
        arrays[f"{part}-images"] = rng.integers(0, 256, (10 * each, 3, 32, 32), dtype=np.uint8)
        arrays[f"{part}-labels"] = np.repeat(np.arange(10, dtype=np.uint8), each)
    install("cifar10", "noise", "test", arrays)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with noise for images, full size."""
    folder = tmp_path_factory.mktemp("noise")
    with pytest.MonkeyPatch.context() as patch:
        fake_images(patch, folder)
    return folder


@pytest.mark.parametrize("factor", COUNTS)
def test_long_tailed_class_counts_are_those_of_the_literature(
    factor: int, noise: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(noise))
    dataset = Cifar10(imbalance=factor)
    data = dataset.make(3, 1)
    assert dataset.class_counts() == COUNTS[factor]
    assert tuple(np.bincount(data.targets)) == COUNTS[factor]
    assert data.inputs.shape == (sum(COUNTS[factor]), 3, 32, 32)
    assert data.test_targets is not None
    assert tuple(np.bincount(data.test_targets)) == (1000,) * 10


def test_step_and_balanced_profiles() -> None:
    assert Cifar10(profile="step", imbalance=50).class_counts() == (5000,) * 5 + (100,) * 5
    assert Cifar10(profile="balanced", n_max=300).class_counts() == (300,) * 10


@given(st.integers(100, 13_996), st.sampled_from([1.0, 10.0, 50.0]))
def test_train_rows_takes_as_many_as_fit(rows: int, factor: float) -> None:
    try:
        dataset = Cifar10(train_rows=rows, imbalance=factor)
    except ValueError:
        assert rows < 1000
        return
    largest = dataset.class_counts()[0]
    assert sum(dataset.class_counts()) <= rows
    if largest < 5000:
        assert sum(Cifar10(n_max=largest + 1, imbalance=factor).class_counts()) > rows


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"imbalance": 0.5}, "imbalance is the largest class over the smallest, so at least 1; got 0.5"),
        ({"profile": "flat"}, "profile must be one of long-tailed, step, balanced"),
        ({"n_max": 6000}, "n_max must be at most 5000, got 6000"),
        ({"n_max": 10, "imbalance": 100}, "imbalance 100 leaves a class without rows"),
        ({"n_max": 10, "train_rows": 100}, "n_max and train_rows say the same thing"),
        ({"train_rows": 0}, "train_rows must be at least"),
        ({"test_rows": 1005}, "test_rows must be a multiple of 10 and at most 10000, got 1005"),
        ({"n_max": "many"}, "n_max must be of type int, got 'many'"),
        ({"n_max": True}, "n_max must be of type int, got True"),
    ],
)
def test_bad_parameters_give_one_sentence(parameters: dict, sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        create("cifar10", parameters)
    assert sentence in str(error.value)


def test_each_repeat_draws_its_own_rows_and_tests_on_the_same(noise: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_DATA", str(noise))
    dataset = Cifar10(n_max=500, test_rows=500)
    first, again, other = dataset.make(1, 0), dataset.make(1, 0), dataset.make(1, 1)
    assert first.fingerprint() == again.fingerprint()
    assert not np.array_equal(first.inputs, other.inputs)
    assert first.test_inputs is not None
    assert other.test_inputs is not None
    np.testing.assert_array_equal(first.test_inputs, other.test_inputs)
    rows = {image.tobytes() for image in first.inputs}
    assert len(rows) == len(first.inputs), "rows are drawn without replacement"
    assert not rows & {image.tobytes() for image in first.test_inputs}


IMAGES = {
    "use": "cifar10",
    "set": {"n_max": 60, "imbalance": 10, "test_rows": 100},
    "recipe": {"steps": 4, "network.precision": "float32"},
}
SUITE = {
    "question": "?", "seed": 1, "repeats": 2, "folds": 2, "folds_per_repeat": 1,
    "techniques": ["baseline", "class-weights", "tuned-threshold"],
}  # fmt: skip


def suite_file(folder: Path, optional: bool) -> Path:
    datasets = [IMAGES | {"optional": optional}, {"use": "digits", "recipe": {"steps": 4}}]
    file = folder / "images.yaml"
    file.write_text(yaml.safe_dump(SUITE | {"datasets": datasets}), encoding="utf-8")
    return file


def no_network(*_: object, **__: object) -> None:
    raise URLError("no network")


@pytest.mark.parametrize(("optional", "code"), [(True, 0), (False, 3)])
def test_without_the_images_everything_else_runs_and_the_report_lists_what_is_missing(
    tmp_path: Path, optional: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torchvision.datasets.utils.download_url", no_network)
    file = suite_file(tmp_path, optional)
    assert main(["run", str(file), "--workers", "0"]) == code
    shown = capsys.readouterr().out
    assert "cifar10 could not be downloaded" in shown
    assert "python -m bench data import cifar10 PATH" in shown
    assert shown.count("could not be downloaded") == 1
    readme = (tmp_path / "report" / "images" / "README.md").read_text(encoding="utf-8")
    assert "cifar10 is not on this machine" in readme
    assert "missing: baseline, class-weights, tuned-threshold" in readme
    plan = json.loads((tmp_path / "results" / "images" / "plan.json").read_text(encoding="utf-8"))
    assert [facts["absent"] != "" for facts in plan["datasets"]] == [True, False]
    assert main(["run", str(file), "--workers", "0", "--dry-run"]) == 0
    assert "(4 without their data) on 6 trainings, 6 stored, 0 to train" in " ".join(capsys.readouterr().out.split())


def test_require_all_stops_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torchvision.datasets.utils.download_url", no_network)
    assert main(["run", str(suite_file(tmp_path, True)), "--workers", "0", "--require-all"]) == 3
    shown = capsys.readouterr()
    assert shown.err == ("error: --require-all: nothing was trained, because data are not on this machine: cifar10\n")
    assert not (tmp_path / "results").exists()


def test_where_there_is_a_network_the_official_files_are_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    files = official(batches())
    expect(files, monkeypatch)
    asked = []

    def download(url: str, root: str, name: str, md5: str) -> None:
        asked.append((url, md5))
        Path(root).mkdir(parents=True, exist_ok=True)
        archive(Path(root) / name, files)

    monkeypatch.setattr("torchvision.datasets.utils.download_url", download)
    Cifar10().obtain()
    Cifar10().obtain()
    assert len(asked) == 1
    assert asked[0][0].startswith("https://")
    about = held("cifar10")
    assert about is not None
    assert about.counts["train-images"] == 100
    assert main(["data", "status"]) == 0
    shown = capsys.readouterr().out
    assert (
        f"100 train and 20 test images from official files (cifar-10-python.tar.gz), fingerprint {about.fingerprint}"
        in shown
    )


def test_other_images_are_another_dataset(tmp_path: Path, noise: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = suite_file(tmp_path, False)
    monkeypatch.setenv("BENCH_DATA", str(noise))
    first = make_plan(load_suite(file))
    fake_images(monkeypatch, tmp_path / "others", seed=1)
    second = make_plan(load_suite(file))
    keys = [{cell.dataset: set(cell.keys) for cell in plan.cells} for plan in (first, second)]
    assert not keys[0]["cifar10"] & keys[1]["cifar10"]
    assert keys[0]["digits"] == keys[1]["digits"]


def test_the_report_names_the_images_and_their_thirds(
    tmp_path: Path, noise: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_DATA", str(noise))
    assert main(["run", str(suite_file(tmp_path, False)), "--workers", "0"]) == 0
    readme = (tmp_path / "report" / "images" / "README.md").read_text(encoding="utf-8")
    about = held("cifar10")
    assert about is not None
    assert f"Data: noise 'test', fingerprint {about.fingerprint}" in readme
    ranking = (tmp_path / "report" / "images" / "cifar10-ranking.csv").read_text(encoding="utf-8")
    assert "head_accuracy,middle_accuracy,tail_accuracy" in ranking
    assert "recall_at_fpr_1" not in ranking


def test_a_worker_without_the_images_or_with_others_trains_nothing(
    tmp_path: Path, noise: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.runner import missing_jobs
    from bench.work import run_job

    monkeypatch.setenv("BENCH_DATA", str(noise))
    job = missing_jobs(make_plan(load_suite(suite_file(tmp_path, False))), set(), 0, None)[0]
    assert [row["status"] for row in run_job(job).runs] == ["ok"]
    fake_images(monkeypatch, tmp_path / "others", seed=1)
    (row,) = run_job(job).runs
    assert (row["status"], row["key"]) == ("killed", job.places[0].key)
    assert "not those that the plan was made for" in row["reason"]
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "nowhere"))
    (row,) = run_job(job).runs
    assert row["status"] == "killed"
    assert "on a worker, cifar10 is not on this machine" in row["reason"]


def test_a_damaged_note_is_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "about.json").write_text("{")
    assert main(["data", "status"]) == 2
    assert "is damaged; import the data again" in capsys.readouterr().err


def test_a_data_folder_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "file"))
    with pytest.raises(UsageError, match="cannot be written"):
        install("cifar10", "noise", "test", {"train-images": np.zeros(3)})


def test_the_real_images_are_mapped_from_disk(cifar10: Path) -> None:
    data = Cifar10().make(0, 0)
    assert isinstance(data.test_inputs, np.memmap)
    assert data.inputs.shape == (13_996, 3, 32, 32)
    assert 110 < data.test_inputs.mean() < 130
    assert data.test_inputs.std() > 50
