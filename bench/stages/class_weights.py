"""Class weights: how much an example of a class counts in a loss, and what that does to the posterior it teaches.

N rows, n_c of class c as the loss sees them (after resampling and batch sampling), C classes.

    kind       weight of class c
    none       1
    inverse    1 / n_c
    share      N / n_c
    balanced   N / (C n_c)
    sqrt       1 / sqrt(n_c)
    effective  (1 - beta) / (1 - beta^n_c), times what makes the C weights add up to C. Source: Cui 2019, eq. 2 and
               section 4: n_c rows that overlap are worth (1 - beta^n_c) / (1 - beta) that do not. With beta near 0
               no class is weighted, with beta near 1 every class by 1 / n_c

    reduction      mean of B examples with losses l_i and weights w_i
    weighted-mean  sum_i w_i l_i / sum_i w_i: torch's default. A factor common to all weights cancels, so 'inverse',
                   'share' and 'balanced' are one loss
    mean           sum_i w_i l_i / B: a common factor stays, and scales the step under SGD

With soft labels q an example's loss is sum_c w_c q_c l_c and its weight sum_c w_c q_c; torch would divide by B there
even under its weighted mean, so the mean is taken by this rule instead.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

from bench.stages.base import require

if TYPE_CHECKING:
    import numpy as np
    import torch

    LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

Kind = Literal["none", "inverse", "share", "balanced", "sqrt", "effective"]
Reduction = Literal["weighted-mean", "mean"]
KINDS: tuple[str, ...] = get_args(Kind)
REDUCTIONS: tuple[str, ...] = get_args(Reduction)
EVEN = ("inverse", "share", "balanced")  # kinds after which all classes weigh the same
BETA = 0.9999


def check_weights(kind: str, reduction: str, beta: float) -> None:
    """Raise ValueError unless the kind, the reduction and beta are such."""
    require(kind in KINDS, f"weights must be one of {', '.join(KINDS)}, got '{kind}'")
    require(reduction in REDUCTIONS, f"reduction must be one of {', '.join(REDUCTIONS)}, got '{reduction}'")
    require(0 < beta < 1, f"beta must be above 0 and below 1, got {beta}")


def class_weights(kind: Kind, shares: "np.ndarray", rows: "np.ndarray", beta: float = BETA) -> "np.ndarray":
    """Return w_c, float64 [T, C], for class shares [T, C], none of them 0, of so many rows [T, 1]."""
    import numpy as np

    if kind == "effective":
        return _effective(rows * shares, beta)
    if kind == "sqrt":
        return 1 / np.sqrt(rows * shares)
    ones = np.ones_like(rows)
    factor = {"none": shares, "inverse": 1 / rows, "share": ones, "balanced": ones / shares.shape[1]}
    return factor[kind] / shares


def _effective(counts: "np.ndarray", beta: float) -> "np.ndarray":
    """Return weights by effective numbers of rows, [T, C], for counts [T, C].

    By expm1 and log1p: 1 - beta^n keeps its digits where beta is near 1 and n is small.
    """
    import numpy as np

    weights = (1 - beta) / -np.expm1(counts * np.log1p(beta - 1))
    return weights * (counts.shape[1] / weights.sum(axis=1, keepdims=True))


def weighted_prior(kind: Kind, prior: "np.ndarray", rows: int | None, beta: float) -> "np.ndarray":
    """Return shares [C] proportional to w_c pi_c: those whose posterior a weighted cross-entropy teaches.

    rows: how many have the shares ``prior`` [C]; only 'effective' weights need to know.
    """
    import numpy as np

    if kind == "none":
        return prior
    present = prior > 0
    if kind in EVEN:
        return present / present.sum()
    if kind == "effective" and rows is None:
        raise ValueError("effective weights follow from counts of rows, so their prior needs the number of rows")
    weights = np.zeros(len(prior))
    weights[present] = class_weights(kind, prior[None, present], np.full((1, 1), rows or 1.0), beta)[0]
    return weights * prior / (weights * prior).sum()


def weighted(each: "LossFunction", table: "torch.Tensor") -> "Callable[..., tuple[torch.Tensor, torch.Tensor]]":
    """Return a function like ``each`` that gives w_i l_i and w_i, both [T, B].

    each: gives the loss of every example, [T, B], and is linear in soft labels; table: w_c, float32 [T, C].
    """

    def losses_and_weights(logits: "torch.Tensor", targets: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
        if targets.is_floating_point():
            own = targets * table[:, None, :]
            return each(logits, own), own.sum(2)
        weights = table.gather(1, targets)
        return weights * each(logits, targets), weights

    return losses_and_weights
