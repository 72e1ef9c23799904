"""cifar10: real colour images, 32 x 32, made imbalanced as the literature does; tested on balanced classes.

The images are imported once and lie memory-mapped in the data folder. Their fingerprint is part of every trial's key,
so results on a re-encoded copy never mix with results on the official files.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.datafolder import About, array, data_folder, held, install
from bench.datasets.base import Data, Dataset
from bench.datasets.cifar10_files import CLASSES, PER_CLASS
from bench.datasets.profiles import class_counts, largest_n_max
from bench.keys import numpy_stream
from bench.stages.base import require

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMMAND = "python -m bench data import cifar10 PATH"
OFFICIAL = "cifar-10-python.tar.gz"
IMAGES = len(CLASSES) * sum(PER_CLASS.values())


@dataclass(frozen=True)
class Cifar10(Dataset):
    """Images [N, 3, 32, 32]. Training rows by profile, drawn anew for each repeat; fixed, balanced test images.

    profile     long-tailed, step or balanced
    imbalance   largest class over smallest, at least 1
    n_max       rows of the largest class, at most 5000
    train_rows  instead of n_max: n_max becomes the largest with which all classes together have at most these rows
    test_rows   test images, the same number of each class
    """

    name: ClassVar[str] = "cifar10"
    summary: ClassVar[str] = "real colour images of ten kinds of things, 32 x 32, long-tailed; tested balanced"
    source: ClassVar[str] = "Krizhevsky 2009; imbalance profiles of Cui et al. 2019 and Buda et al. 2018"
    kind = "image"
    repeats = "fixed"
    prior = "uniform"
    ordered = True
    mirrors = True
    smoke: ClassVar[dict[str, object]] = {"n_max": 400, "train_rows": None, "test_rows": 500}

    profile: str = "long-tailed"
    imbalance: float = 50.0
    n_max: int | None = None
    train_rows: int | None = None
    test_rows: int = 10_000

    def __post_init__(self) -> None:
        """Check the profile and sizes."""
        most, tests = PER_CLASS["train"], PER_CLASS["test"] * len(CLASSES)
        require(
            self.n_max is None or self.train_rows is None, "n_max and train_rows say the same thing; give one of them"
        )
        require(self._largest() <= most, f"n_max must be at most {most}, got {self.n_max}")
        require(
            min(self.class_counts()) >= 1,
            f"imbalance {self.imbalance:g} leaves a class without rows; lower it or take more rows",
        )
        require(
            0 < self.test_rows <= tests and self.test_rows % len(CLASSES) == 0,
            f"test_rows must be a multiple of {len(CLASSES)} and at most {tests}, got {self.test_rows}",
        )

    def _largest(self) -> int:
        """Return the rows of the largest class."""
        most = PER_CLASS["train"]
        if self.train_rows is None:
            return most if self.n_max is None else self.n_max
        return largest_n_max(self.profile, self.train_rows, self.imbalance, len(CLASSES), most)

    def classes(self) -> tuple[str, ...]:
        """Return the ten classes, in the official order."""
        return CLASSES

    def class_counts(self) -> tuple[int, ...]:
        """Return the training rows of each class."""
        return class_counts(self.profile, self._largest(), self.imbalance, len(CLASSES))

    def identity(self) -> dict[str, object]:
        """Return name, revision, profile, sizes and the fingerprint of the images that are imported here."""
        about = held(self.name)
        counts = {"counts": list(self.class_counts()), "test_rows": self.test_rows}
        return {
            "name": self.name,
            "revision": self.revision,
            **counts,
            "images": about.fingerprint if about else "",
        }

    def absent(self) -> str:
        """Return how to import the images, where they are not on this machine."""
        return "" if held(self.name) else f"{self.name} is not on this machine; import it with '{COMMAND}'"

    def obtain(self) -> None:
        """Import the official files where torchvision left them in the data folder, or download them there.

        Raises UsageError where neither works.
        """
        if held(self.name) is None:
            import_images(_official())

    def origin(self) -> str:
        """Return what the images were imported from, since those of a re-encoded copy are other images."""
        about = held(self.name)
        return f"{about.origin} '{about.source}', fingerprint {about.fingerprint}" if about else ""

    def make(self, seed: int, repeat: int) -> Data:
        """Return this repeat's draw from the training images, and the fixed test images."""
        import numpy as np

        images, labels = array(self.name, "train-images"), array(self.name, "train-labels")
        tests, test_labels = array(self.name, "test-images"), array(self.name, "test-labels")
        rng = numpy_stream("world", seed, self.name, repeat)
        pools = [np.flatnonzero(labels == label) for label in range(len(CLASSES))]
        drawn = [np.sort(rng.permutation(pool)[:n]) for pool, n in zip(pools, self.class_counts(), strict=True)]
        rows = np.concatenate(drawn)
        each = self.test_rows // len(CLASSES)
        kept = np.concatenate([np.flatnonzero(test_labels == label)[:each] for label in range(len(CLASSES))])
        test_images = tests if len(kept) == len(tests) else tests[kept]
        return Data(images[rows], labels[rows].astype(np.int64), test_images, test_labels[kept].astype(np.int64))


def import_images(path: "Path", progress: "Callable[[int], None]" = lambda images: None) -> About:
    """Import the images of an archive or folder. Raises UsageError where it does not hold CIFAR-10."""
    from bench import archives
    from bench.datasets import cifar10_files

    found = cifar10_files.read(path, archives.members(path), cifar10_files.expected(), progress)
    return install(Cifar10.name, found.origin, path.name, found.arrays)


def _official() -> "Path":
    """Return the official files as torchvision keeps them in the data folder, downloaded if they are not there yet."""
    import socket

    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import download_url

    from bench.errors import UsageError

    folder = data_folder()
    for name in (CIFAR10.base_folder, OFFICIAL):
        if (folder / name).exists():
            return folder / name
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(10.0)
    try:
        download_url(CIFAR10.url, str(folder), OFFICIAL, CIFAR10.tgz_md5)
    except (OSError, RuntimeError) as error:
        raise UsageError(f"cifar10 could not be downloaded ({error}); import it with '{COMMAND}'") from error
    finally:
        socket.setdefaulttimeout(before)
    return folder / OFFICIAL
