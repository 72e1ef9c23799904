"""Remedies against overfitting."""

from bench.recipe import Technique
from bench.stages.augmentation import ClassNoise, Jitter, Scaling, WindowShift
from bench.stages.penalties import L2
from bench.stages.stopping import EarlyStopping
from bench.stages.targets import LabelSmoothing

OVERFITTING: tuple[Technique, ...] = (
    Technique(
        name="augmentation",
        family="overfitting",
        claim="trains on varied copies: jitter, scaling and window shift for series, noise within class for tables",
        source="Um et al. 2017 (series); Bishop 1995 (noise)",
        per_kind={
            "series": {"augment": (Jitter(0.05), Scaling(0.1), WindowShift(3))},
            "table": {"augment": (ClassNoise(0.1),)},
        },
        why_not="its neutral setting differs per kind of data; each augmentation at zero is tested by itself",
    ),
    Technique(
        name="dropout",
        family="overfitting",
        claim="drops hidden activations at random so that units cannot rely on one another",
        source="Srivastava et al. 2014",
        change={"network.dropout": 0.5},
        grid={"network.dropout": (0.2, 0.5, 0.8)},
        neutral={"network.dropout": 0.0},
    ),
    Technique(
        name="early-stopping",
        family="overfitting",
        claim="stops when the validation loss no longer falls, and keeps the weights of its lowest point",
        source="Prechelt 1998",
        change={"stopping": EarlyStopping(patience=3)},
        grid={"stopping.patience": (2, 3, 5)},
        why_not="it keeps the best weights at any patience, which need not be the last",
    ),
    Technique(
        name="l2",
        family="overfitting",
        claim="adds the squared weights to the loss, so that weights stay small",
        source="Krogh and Hertz 1991",
        change={"penalties": (L2(1e-3),)},
        grid={"penalties.l2.strength": (1e-4, 1e-3, 1e-2)},
        neutral={"penalties.l2.strength": 0.0},
    ),
    Technique(
        name="label-smoothing",
        family="overfitting",
        claim="softens the labels so that the network is not pushed to certainty",
        source="Szegedy et al. 2016, section 7",
        change={"targets": LabelSmoothing(0.1)},
        grid={"targets.epsilon": (0.05, 0.1, 0.2)},
        neutral={"targets.epsilon": 0.0},
        tasks=("classification",),
    ),
)
