"""``data``: which data are on this machine, and how those come that cannot be made here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.datafolder import About, data_folder, held
from bench.datasets import cifar10
from bench.errors import UsageError, unknown
from bench.output import Answer

Importer = Callable[[Path, Callable[[int], None]], About]
IMPORTS: dict[str, tuple[Importer, int]] = {  # how each dataset is imported, and how many images it has
    cifar10.Cifar10.name: (cifar10.import_images, cifar10.IMAGES),
}


def status() -> Answer:
    """Return where data lie, and for every dataset that is imported whether it is there."""
    lines = [f"data folder: {data_folder()} (BENCH_DATA names another)"]
    data = []
    for name in IMPORTS:
        about = held(name)
        there = _facts(about) if about else f"not here; import it with 'python -m bench data import {name} PATH'"
        lines.append(f"{name}: {there}")
        data.append({"name": name, "here": about is not None, "imported": _data(about) if about else None})
    return Answer(0, {"folder": data_folder(), "datasets": data}, "\n".join(lines) + "\n")


def _images(about: About) -> dict[str, int]:
    """Return how many images there are to train and to test."""
    images = {part.removesuffix("-images"): n for part, n in about.counts.items() if part.endswith("-images")}
    return {part: images[part] for part in ("train", "test")}


def _data(about: About) -> dict[str, Any]:
    """Return how many images were imported, from what, and their fingerprint, as data."""
    told = {"origin": about.origin, "source": about.source, "fingerprint": about.fingerprint}
    return {"images": _images(about), **told}


def _facts(about: About) -> str:
    """Return the same in words."""
    counts = " and ".join(f"{count:,} {part}" for part, count in _images(about).items())
    return f"{counts} images from {about.origin} ({about.source}), fingerprint {about.fingerprint}"


def import_data(name: str, path: Path, console: Console) -> Answer:
    """Import a dataset from an archive or folder, with a bar that counts images; return what was imported.

    Raises UsageError for an unknown name, or where the file does not hold that dataset.
    """
    if name not in IMPORTS:
        raise UsageError(unknown("dataset to import", name, IMPORTS))
    importer, images = IMPORTS[name]
    columns = TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("importing", total=images)
        about = importer(path, lambda done: bar.update(task, completed=done))
    data = {"name": name, "here": True, "imported": _data(about)}
    return Answer(0, {"folder": data_folder(), "datasets": [data]}, f"{name}: imported {_facts(about)}\n")
