"""digits: scikit-learn's 1,797 images of handwritten digits, 8 x 8, with the imbalance profiles of CIFAR-10."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bench.datasets.base import Data, Dataset
from bench.datasets.profiles import class_counts
from bench.keys import numpy_stream
from bench.stages.base import require

if TYPE_CHECKING:
    import numpy as np

CLASSES = 10
TEST_PER_CLASS = 50
POOL_PER_CLASS = 124  # the smallest class holds 174 images
_TEST_SEED = 0  # the test rows are the same in every suite


@dataclass(frozen=True)
class Digits(Dataset):
    """Images [N, 1, 8, 8] in 17 shades, 0 to 240. 500 fixed test images, 50 of each class; training rows by profile.

    profile    long-tailed, step or balanced
    imbalance  largest class over smallest, at least 1
    n_max      rows of the largest class, at most 124; each repeat draws its own rows from the pool
    """

    name: ClassVar[str] = "digits"
    revision: ClassVar[int] = 2
    summary: ClassVar[str] = "real images of handwritten digits, 8 x 8, made imbalanced; tested on balanced classes"
    source: ClassVar[str] = "Alpaydin and Kaynak 1998; sklearn.datasets.load_digits"
    kind = "image"
    repeats = "fixed"
    prior = "uniform"
    ordered = True
    smoke: ClassVar[dict[str, object]] = {}

    profile: str = "long-tailed"
    imbalance: float = 20.0
    n_max: int = 120

    def __post_init__(self) -> None:
        """Check the profile."""
        counts = class_counts(self.profile, self.n_max, self.imbalance, CLASSES)
        require(self.n_max <= POOL_PER_CLASS, f"n_max must be at most {POOL_PER_CLASS}, got {self.n_max}")
        require(min(counts) >= 1, f"imbalance {self.imbalance:g} leaves a class without rows; lower it or raise n_max")

    def classes(self) -> tuple[str, ...]:
        """Return the ten digits."""
        return tuple(str(digit) for digit in range(CLASSES))

    def class_counts(self) -> tuple[int, ...]:
        """Return the rows of each digit."""
        return class_counts(self.profile, self.n_max, self.imbalance, CLASSES)

    def make(self, seed: int, repeat: int) -> Data:
        """Return this repeat's draw from the pool, and the fixed test rows."""
        import numpy as np

        images, labels, pools, test = _load()
        rng = numpy_stream("world", seed, self.name, repeat)
        drawn = [rng.permutation(pool)[:count] for pool, count in zip(pools, self.class_counts(), strict=True)]
        rows = np.concatenate(drawn)
        return Data(images[rows], labels[rows], images[test], labels[test])


@functools.cache
def _load() -> "tuple[np.ndarray, np.ndarray, list[np.ndarray], np.ndarray]":
    """Return images uint8 [1797, 1, 8, 8], labels, each class's pool of rows, and the fixed test rows."""
    import numpy as np
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images, labels = (bunch.images * 15).astype(np.uint8)[:, None], bunch.target.astype(np.int64)
    rng = np.random.default_rng(_TEST_SEED)
    orders = [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(CLASSES)]
    test = np.sort(np.concatenate([order[:TEST_PER_CLASS] for order in orders]))
    return images, labels, [order[TEST_PER_CLASS:] for order in orders], test
