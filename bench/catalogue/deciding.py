"""Remedies against class imbalance that act after training."""

from bench.recipe import Technique
from bench.stages.decisions import LogitAdjustment, TunedThreshold

_CLASSES = ("classification",)

DECIDING: tuple[Technique, ...] = (
    Technique(
        name="logit-adjustment",
        family="imbalance: decision",
        claim="takes the log prior off the logits after training: no extra training at all",
        source="Menon et al. 2021, eq. 9",
        change={"decide": LogitAdjustment(1.0)},
        grid={"decide.tau": (0.5, 1.0, 1.5)},
        neutral={"decide.tau": 0.0},
        tasks=_CLASSES,
    ),
    Technique(
        name="tuned-threshold",
        family="imbalance: decision",
        claim="moves the cut (or per-class offsets) to where F1 on the validation rows is highest",
        source="Lipton et al. 2014; sklearn.model_selection.TunedThresholdClassifierCV",
        change={"decide": TunedThreshold()},
        why_not="the best cut on the validation rows need not be the plain one",
        tasks=_CLASSES,
    ),
)
