"""``data``: which data are on this machine, and how those come that cannot be made here."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.datafolder import About, data_folder, held
from bench.datasets import cifar10
from bench.errors import UsageError, unknown

Importer = Callable[[Path, Callable[[int], None]], About]
IMPORTS: dict[str, tuple[Importer, int]] = {  # how each dataset is imported, and how many images it has
    cifar10.Cifar10.name: (cifar10.import_images, cifar10.IMAGES),
}


def status_lines() -> list[str]:
    """Return where data lie, and for every dataset that is imported whether it is there."""
    lines = [f"data folder: {data_folder()} (BENCH_DATA names another)"]
    for name in IMPORTS:
        about = held(name)
        there = _facts(about) if about else f"not here; import it with 'python -m bench data import {name} PATH'"
        lines.append(f"{name}: {there}")
    return lines


def _facts(about: About) -> str:
    """Return how many images were imported, from what, and their fingerprint."""
    images = {part.removesuffix("-images"): n for part, n in about.counts.items() if part.endswith("-images")}
    counts = " and ".join(f"{images[part]:,} {part}" for part in ("train", "test"))
    return f"{counts} images from {about.origin} ({about.source}), fingerprint {about.fingerprint}"


def import_data(name: str, path: Path, console: Console) -> str:
    """Import a dataset from an archive or folder, with a bar that counts images; return what was imported.

    Raises UsageError for an unknown name, or where the file does not hold that dataset.
    """
    if name not in IMPORTS:
        raise UsageError(unknown("dataset to import", name, IMPORTS))
    importer, images = IMPORTS[name]
    columns = TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("importing", total=images)
        about = importer(path, lambda done: bar.update(task, completed=done))
    return f"{name}: imported {_facts(about)}"
