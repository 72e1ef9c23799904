"""Remedies against class imbalance that act on the training rows."""

from bench.recipe import Technique
from bench.stages.resampling import OverSample, Smote, UnderOverSample, UnderSample

_CLASSES = ("classification",)
_FRESH_ROWS = "on imbalanced rows every setting changes the training set"

RESAMPLING: tuple[Technique, ...] = (
    Technique(
        name="under-sampling",
        family="imbalance: rows",
        claim="drops rows of larger classes until all are as small as the smallest",
        source="Japkowicz and Stephen 2002",
        change={"resample": UnderSample(1.0)},
        grid={"resample.ratio": (0.1, 0.5, 1.0)},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
    Technique(
        name="over-sampling",
        family="imbalance: rows",
        claim="repeats rows of smaller classes until all are as large as the largest",
        source="Japkowicz and Stephen 2002; Buda et al. 2018",
        change={"resample": OverSample(1.0)},
        grid={"resample.ratio": (0.1, 0.5, 1.0)},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
    Technique(
        name="under-over-sampling",
        family="imbalance: rows",
        claim="meets half-way: cuts the larger classes and repeats rows of the smaller ones",
        source="Buda et al. 2018, section 2.1",
        change={"resample": UnderOverSample(0.5)},
        grid={"resample.position": (0.25, 0.5, 0.75)},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
    Technique(
        name="smote",
        family="imbalance: rows",
        claim="adds points between neighbouring rows of the smaller classes",
        source="Chawla et al. 2002",
        change={"resample": Smote(5, 1.0)},
        grid={"resample.neighbours": (3, 5), "resample.ratio": (0.1, 0.5, 1.0)},
        why_not=_FRESH_ROWS,
        tasks=_CLASSES,
    ),
)
