"""Remedies against class imbalance whose second stage works on the classifier alone."""

from bench.recipe import Technique
from bench.stages.batching import Balanced
from bench.stages.finishing import TauNorm
from bench.stages.phases import Phase

_CLASSES = ("classification",)
_FAMILY = "imbalance: two stages"

TWO_STAGE: tuple[Technique, ...] = (
    Technique(
        name="crt",
        family=_FAMILY,
        claim="trains a new classifier on balanced batches in the last fifth of the steps, on the frozen rest",
        source="Kang et al. 2020, section 4 (classifier re-training)",
        change={"phases": (Phase("crt", 0.8, {"batches": Balanced()}, part="head", fresh=True),)},
        grid={"phases.crt.start": (0.6, 0.8, 0.9)},
        why_not="the classifier is trained anew, whenever that begins",
        tasks=_CLASSES,
    ),
    Technique(
        name="lws",
        family=_FAMILY,
        claim="learns one factor per class on the frozen network's logits, on balanced batches",
        source="Kang et al. 2020, section 4 (learnable weight scaling)",
        change={"phases": (Phase("lws", 0.8, {"batches": Balanced()}, part="scales"),)},
        grid={"phases.lws.start": (0.6, 0.8, 0.9)},
        why_not="the factors are trained and the rest no longer is, whenever that begins",
        tasks=_CLASSES,
    ),
    Technique(
        name="tau-norm",
        family=_FAMILY,
        claim="shrinks each class's weights by a power of their norm after training, which grows with the class",
        source="Kang et al. 2020, section 4 (tau-normalised classifier)",
        change={"finish": TauNorm(0.7)},
        grid={"finish.tau": (0.3, 0.5, 0.7, 1.0)},
        neutral={"finish.tau": 0.0},
        tasks=_CLASSES,
    ),
)
