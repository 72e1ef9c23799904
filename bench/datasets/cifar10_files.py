"""From files to the arrays of CIFAR-10: the official batches, or images as ``train/<class>/*`` and ``test/<class>/*``.

Official batches are pickles. They are read only where their MD5 is the published one, and even then only numpy's own
types are let in. Images are decoded from memory. Source of the format: Krizhevsky 2009.
"""

import hashlib
import importlib
import io
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.archives import Member
from bench.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32
PARTS = ("train", "test")
PER_CLASS = {"train": 5000, "test": 1000}
_SUFFIXES = (".jpg", ".jpeg", ".png")
_NUMPY = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


@dataclass(frozen=True)
class Images:
    """What was read: 'official files' or 'image folder', and arrays by name.

    train-images, test-images uint8 [N, 3, 32, 32]; train-labels, test-labels uint8 [N]; sorted by class.
    """

    origin: str
    arrays: "dict[str, np.ndarray]"


@dataclass(frozen=True)
class Expected:
    """What CIFAR-10 is known by: the MD5 of each official batch, and the images of each class per part."""

    checksums: Mapping[str, str]
    per_class: Mapping[str, int]


def expected() -> Expected:
    """Return the published checksums, as torchvision knows them, and counts."""
    from torchvision.datasets import CIFAR10

    return Expected(dict([*CIFAR10.train_list, *CIFAR10.test_list]), PER_CLASS)


def read(path: Path, members: Iterable[Member], wanted: Expected, progress: Callable[[int], None]) -> Images:
    """Return the images among the members of ``path``; ``progress`` is told how many are decoded.

    Raises UsageError for a batch with another checksum, a damaged or wrongly sized image, or missing images.
    """
    batches: dict[str, Member] = {}
    folder: dict[str, dict[int, dict[str, np.ndarray]]] = {
        part: {label: {} for label in range(len(CLASSES))} for part in PARTS
    }
    decoded = 0
    for member in members:
        if member.name.name in wanted.checksums:
            batches[member.name.name] = member
            continue
        place = _place(member)
        if place is None:
            continue
        part, label = place
        held = folder[part][label]
        if member.name.name in held:
            raise UsageError(f"'{path}' holds '{part}/{CLASSES[label]}/{member.name.name}' twice")
        held[member.name.name] = _decoded(path, member)
        decoded += 1
        progress(decoded)
    found = _of_batches(path, batches, wanted.checksums) if batches else _of_folder(folder)
    _check_counts(path, found.arrays, wanted.per_class)
    return found


def _place(member: Member) -> tuple[str, int] | None:
    """Return the part and class of an image in folder form, with at most one folder above; None for other files."""
    parts = member.name.parts
    if len(parts) not in (3, 4) or member.name.suffix.lower() not in _SUFFIXES:
        return None
    part, label = parts[-3], parts[-2]
    return (part, CLASSES.index(label)) if part in PARTS and label in CLASSES else None


def _decoded(path: Path, member: Member) -> "np.ndarray":
    """Return one image as uint8 [3, 32, 32]."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(io.BytesIO(member.content), formats=("JPEG", "PNG")) as image:
            size = image.size
            if size == (SIDE, SIDE):
                return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UsageError(f"'{path}': the image '{member.name}' is damaged ({error}); nothing was imported") from error
    raise UsageError(
        f"'{path}': the image '{member.name}' is {size[0]} x {size[1]} pixels; those of CIFAR-10 are {SIDE} x {SIDE}"
    )


def _of_folder(folder: "Mapping[str, Mapping[int, Mapping[str, np.ndarray]]]") -> Images:
    """Return arrays of decoded images, each class's sorted by file name."""
    import numpy as np

    arrays = {}
    for part, classes in folder.items():
        images = [held[name] for held in classes.values() for name in sorted(held)]
        counts = [len(held) for held in classes.values()]
        arrays[f"{part}-images"] = np.stack(images) if images else np.empty((0, 3, SIDE, SIDE), np.uint8)
        arrays[f"{part}-labels"] = np.repeat(np.arange(len(CLASSES), dtype=np.uint8), counts)
    return Images("image folder", arrays)


def _of_batches(path: Path, batches: Mapping[str, Member], checksums: Mapping[str, str]) -> Images:
    """Return arrays of the official batches, sorted by class, within a class in the files' order."""
    import numpy as np

    missing = sorted(set(checksums) - set(batches))
    if missing:
        raise UsageError(f"'{path}' lacks the official files {', '.join(missing)}")
    pieces: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {part: [] for part in PARTS}
    for name in sorted(checksums):
        content = batches[name].content
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != checksums[name]:
            raise UsageError(
                f"'{path}': '{name}' is not the official file (its MD5 differs from the published one), "
                "so it was not opened"
            )
        images, labels = _batch(path, name, content)
        pieces["test" if name.startswith("test") else "train"].append((images, labels))
    arrays = {}
    for part, held in pieces.items():
        images, labels = np.concatenate([one for one, _ in held]), np.concatenate([one for _, one in held])
        order = np.argsort(labels, kind="stable")
        arrays[f"{part}-images"], arrays[f"{part}-labels"] = images[order], labels[order]
    return Images("official files", arrays)


class _Unpickler(pickle.Unpickler):
    """A pickle reader that lets in numpy's array types alone."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Return numpy's own types; raise UnpicklingError for anything else."""
        if (module_name, global_name) not in _NUMPY:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}")
        return getattr(importlib.import_module(module_name.replace("numpy.core", "numpy._core")), global_name)


def _batch(path: Path, name: str, content: bytes) -> "tuple[np.ndarray, np.ndarray]":
    """Return the images uint8 [N, 3, 32, 32] and labels uint8 [N] of one official batch."""
    import numpy as np

    try:
        batch = _Unpickler(io.BytesIO(content), encoding="latin1").load()
        images = np.asarray(batch["data"], dtype=np.uint8).reshape(-1, 3, SIDE, SIDE)
        labels = np.asarray(batch["labels"], dtype=np.uint8)
    except (pickle.UnpicklingError, AttributeError, LookupError, TypeError, ValueError, EOFError) as error:
        raise UsageError(f"'{path}': '{name}' is not a batch of CIFAR-10 ({error})") from error
    if len(images) != len(labels) or (labels >= len(CLASSES)).any():
        raise UsageError(f"'{path}': '{name}' is not a batch of CIFAR-10 (images and labels do not fit)")
    return images, labels


def _check_counts(path: Path, arrays: "Mapping[str, np.ndarray]", per_class: Mapping[str, int]) -> None:
    """Raise UsageError unless every class has its number of images in both parts."""
    import numpy as np

    for part in PARTS:
        counts = np.bincount(arrays[f"{part}-labels"], minlength=len(CLASSES))
        if not counts.any():
            raise UsageError(
                f"'{path}' holds no CIFAR-10 images for {part}: give cifar-10-python.tar.gz, or an archive or folder "
                "with train/<class>/* and test/<class>/*"
            )
        for label, count in zip(CLASSES, counts, strict=True):
            if count != per_class[part]:
                raise UsageError(
                    f"'{path}' holds {count} images of class '{label}' for {part}; CIFAR-10 has {per_class[part]}"
                )
