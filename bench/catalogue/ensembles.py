"""Remedies that train several networks for a trial; what they cost is what all of them cost.

Five members: Lakshminarayanan 2017 finds little more beyond five, Liu 2009 takes four, and a run that costs five times
its baseline is still one that people make.
"""

from bench.recipe import Technique
from bench.stages.resampling import UnderSample

_CLASSES = ("classification",)
_FAMILY = "imbalance: ensembles"
_MEMBERS = 5
_GRID = {"members": (3, 5, 10)}
_FRESH_ROWS = "on imbalanced rows every setting changes the training set"

ENSEMBLES: tuple[Technique, ...] = (
    Technique(
        name="ensemble",
        family="overfitting: ensembles",
        claim="averages the probabilities (or values) of networks that differ in initial weights and batches",
        source="Lakshminarayanan et al. 2017, section 2.4 (without adversarial training)",
        change={"members": _MEMBERS},
        grid=_GRID,
        neutral={"members": 1},
    ),
    Technique(
        name="easy-ensemble",
        family=_FAMILY,
        claim="averages networks that each see all rows of the smallest class and their own draw of as many others",
        source="Liu et al. 2009, algorithm 1 (with networks for boosted stumps)",
        change={"members": _MEMBERS, "resample": UnderSample(1.0)},
        grid=_GRID,
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
    Technique(
        name="balanced-bagging",
        family=_FAMILY,
        claim="averages networks that each see a bootstrap of the rows, under-sampled to its smallest class",
        source="Hido et al. 2009; imblearn.ensemble.BalancedBaggingClassifier",
        change={"members": _MEMBERS, "resample": UnderSample(1.0, bootstrap=True)},
        grid=_GRID,
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
)
