"""Tests train in a process that is set up as a worker's, and see no data but those that a test brings."""

import os
from pathlib import Path

import pytest

from bench.datafolder import data_folder, held
from bench.datasets.cifar10 import import_images
from bench.process import settle_process

settle_process()

OWN_DATA = os.environ.get("BENCH_DATA")
IMAGES = Path(__file__).parents[2] / "shared" / "data" / "cifar-10-images.tar.xz"  # beside a checkout, where it is


@pytest.fixture(autouse=True)
def no_data(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty data folder, which every test has unless it asks for CIFAR-10."""
    folder = tmp_path_factory.getbasetemp() / "no-data"
    monkeypatch.setenv("BENCH_DATA", str(folder))
    return folder


@pytest.fixture(scope="session")
def _cifar10_folder(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Return a data folder with CIFAR-10: the one that this machine has, or one made from images beside the project."""
    with pytest.MonkeyPatch.context() as patch:
        if OWN_DATA is None:
            patch.delenv("BENCH_DATA", raising=False)
        else:
            patch.setenv("BENCH_DATA", OWN_DATA)
        if held("cifar10"):
            return data_folder()
        if not IMAGES.is_file():
            return None
        folder = tmp_path_factory.mktemp("data")
        patch.setenv("BENCH_DATA", str(folder))
        import_images(IMAGES)
        return folder


@pytest.fixture
def cifar10(_cifar10_folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a data folder that holds CIFAR-10."""
    if _cifar10_folder is None:
        pytest.skip("CIFAR-10 is not here; import it with 'python -m bench data import cifar10 PATH'")
    monkeypatch.setenv("BENCH_DATA", str(_cifar10_folder))
    return _cifar10_folder
