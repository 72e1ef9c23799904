"""Rows of overlapping classes, and by brute force which lie near which."""

import numpy as np

COUNTS = (90, 40, 20)


def overlapping(counts: tuple[int, ...] = COUNTS, numbers: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Classes whose middles are one standard deviation apart."""
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = np.random.default_rng(seed).normal(size=(len(labels), numbers)) + labels[:, None]
    return rows.astype(np.float32), labels


def distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.linalg.norm(rows[:, None].astype(float) - others[None].astype(float), axis=2)


def nearest(rows: np.ndarray, count: int) -> np.ndarray:
    """The nearest other rows of each row, [N, count]."""
    apart = distances(rows, rows)
    np.fill_diagonal(apart, np.inf)
    return np.argsort(apart, axis=1)[:, :count]


def starts(new: np.ndarray, own: np.ndarray, neighbours: int, low: float = 0, high: float = 1) -> list[set[int]]:
    """For each new row the rows of ``own`` that it may start from, on the way to (or from) one of their neighbours."""
    near = nearest(own, neighbours)
    found = []
    for row in new.astype(float):
        possible = set()
        for start, ends in enumerate(near):
            for end in ends:
                way = (own[end] - own[start]).astype(float)
                share = (row - own[start]) @ way / (way @ way)
                if low - 1e-4 <= share <= high + 1e-4 and np.allclose(own[start] + share * way, row, atol=1e-3):
                    possible.add(start)
        found.append(possible)
    return found
