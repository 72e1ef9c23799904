"""How many rows each class gets: long-tailed, step and balanced profiles, as the literature defines them.

Source: Cui et al. 2019 (long-tailed); Buda et al. 2018 (step).
"""

import bisect
import functools

from bench.stages.base import require

PROFILES = ("long-tailed", "step", "balanced")


def class_counts(profile: str, n_max: int, imbalance: float, classes: int) -> tuple[int, ...]:
    """Return rows per class, class 0 the largest; ``imbalance`` is largest over smallest class.

    long-tailed: int(n_max * f^(-i/(C-1))); step: the first half keep n_max, the others get int(n_max / f).
    Raises ValueError for an unknown profile or a factor below 1.
    """
    whole = 1e-9  # 98 * 49**-1 is 2, and 1.9999999999999998 in floating point
    require(profile in PROFILES, f"profile must be one of {', '.join(PROFILES)}, got '{profile}'")
    require(n_max >= 1, f"n_max must be at least 1, got {n_max}")
    require(imbalance >= 1, f"imbalance is the largest class over the smallest, so at least 1; got {imbalance:g}")
    if profile == "balanced":
        return (n_max,) * classes
    if profile == "step":
        return (n_max,) * (classes // 2) + (int(n_max / imbalance + whole),) * (classes - classes // 2)
    return tuple(int(n_max * imbalance ** (-index / (classes - 1)) + whole) for index in range(classes))


def largest_n_max(profile: str, rows: int, imbalance: float, classes: int, most: int) -> int:
    """Return the largest n_max, at most ``most``, with which all classes together have at most ``rows`` rows.

    Raises ValueError where even one row in the largest class is too many.
    """
    rows_of = functools.partial(_rows, profile, imbalance, classes)
    require(rows_of(1) <= rows, f"train_rows must be at least {rows_of(1)}, got {rows}")
    return bisect.bisect_right(range(1, most + 1), rows, key=rows_of)


def _rows(profile: str, imbalance: float, classes: int, n_max: int) -> int:
    """Return the rows of all classes together, which never fall as n_max rises."""
    return sum(class_counts(profile, n_max, imbalance, classes))
