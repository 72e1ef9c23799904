"""The matrix products are loops over drawn rows."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from bench import bootstrap
from bench.metrics import confusion, from_confusion, per_class

ROWS = 60


def _drawn_rows(seed: int) -> Iterator[np.ndarray]:
    """Yield the rows of each draw, as numpy draws them."""
    rng = np.random.default_rng(seed)
    for _ in range(bootstrap.DRAWS):
        yield rng.integers(ROWS, size=ROWS)


def test_drawn_confusions_are_those_of_the_drawn_rows() -> None:
    rng = np.random.default_rng(4)
    truth, labels = rng.integers(0, 3, (2, ROWS))
    found = bootstrap.DrawnRows.of(truth, 3, seed=9).confusions(labels[None])[0]
    expected = np.array([confusion(truth[rows], labels[rows], 3) for rows in _drawn_rows(9)])
    np.testing.assert_array_equal(found, expected)
    for metric in ("macro_f1", "balanced_accuracy", "mcc"):
        one_by_one = [float(from_confusion(matrix)[metric]) for matrix in expected]
        assert from_confusion(found)[metric] == pytest.approx(one_by_one)
    assert per_class(found).f1.shape == (bootstrap.DRAWS, 3)


@pytest.mark.parametrize(
    ("metric", "oracle"), [("rmse", root_mean_squared_error), ("mae", mean_absolute_error), ("r2", r2_score)]
)
def test_drawn_errors_are_scikit_learns_on_the_drawn_rows(metric: str, oracle: Callable[..., float]) -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(100.0, 3.0, ROWS)
    predicted = (truth + rng.normal(0, 1, (4, ROWS))).astype(np.float32)
    found = bootstrap.drawn_errors(truth, predicted, metric, seed=2)
    expected = [np.mean([oracle(truth[rows], one[rows]) for one in predicted]) for rows in _drawn_rows(2)]
    assert found == pytest.approx(expected, rel=1e-6)


def test_techniques_that_err_alike_on_every_row_have_no_row_error() -> None:
    truth = np.arange(ROWS) % 2
    alike = bootstrap.DrawnRows.of(truth, 2).confusions(1 - truth[None])[0, :, 0, 0].astype(float)
    assert bootstrap.row_standard_error(alike, alike) == 0.0
    scores = np.random.default_rng(0).normal(size=bootstrap.DRAWS)
    assert bootstrap.row_standard_error(scores) == pytest.approx(scores.std(ddof=1))
