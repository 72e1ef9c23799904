"""Remedies against class imbalance that act after training."""

from bench.recipe import Technique
from bench.stages.corrections import LogitAdjustment, PriorCorrection, TemperatureScaling, UnderSamplingCorrection
from bench.stages.resampling import UnderSample
from bench.stages.thresholds import TunedThreshold

_CLASSES = ("classification",)
_FAMILY = "imbalance: decision"

DECIDING: tuple[Technique, ...] = (
    Technique(
        name="logit-adjustment",
        family=_FAMILY,
        claim="takes the log prior off the logits after training: no extra training at all",
        source="Menon et al. 2021, eq. 9",
        change={"decide": LogitAdjustment(1.0)},
        grid={"decide.tau": (0.5, 1.0, 1.5)},
        neutral={"decide.tau": 0.0},
        tasks=_CLASSES,
    ),
    Technique(
        name="tuned-threshold",
        family=_FAMILY,
        claim="moves the cut (or per-class offsets) to where F1 on the validation rows is highest",
        source="Lipton et al. 2014; sklearn.model_selection.TunedThresholdClassifierCV",
        change={"decide": TunedThreshold()},
        why_not="the best cut on the validation rows need not be the plain one",
        tasks=_CLASSES,
    ),
    Technique(
        name="prior-correction",
        family=_FAMILY,
        claim="divides probabilities by the class shares that the loss saw: the posterior under balanced classes",
        source="Saerens et al. 2002, eq. 4",
        change={"decide": PriorCorrection("uniform")},
        why_not="it changes nothing only where the loss saw equal shares",
        tasks=_CLASSES,
    ),
    Technique(
        name="target-correction",
        family=_FAMILY,
        claim="undoes what over-sampling, weights or balanced batches did to probabilities",
        source="Elkan 2001, theorem 2; Saerens et al. 2002, eq. 4",
        change={"decide": PriorCorrection("target")},
        why_not="it changes nothing only where the loss saw the shares that the test rows stand for",
        tasks=_CLASSES,
    ),
    Technique(
        name="under-sampling-corrected",
        family=_FAMILY,
        claim="drops rows of larger classes, then takes off what that did to probabilities",
        source="Dal Pozzolo et al. 2015, eq. 4",
        change={"resample": UnderSample(1.0), "decide": UnderSamplingCorrection()},
        grid={"resample.ratio": (0.1, 0.5, 1.0)},
        why_not="on imbalanced rows every setting changes the training set",
        tasks=_CLASSES,
    ),
    Technique(
        name="temperature-scaling",
        family=_FAMILY,
        claim="divides logits by the temperature with the lowest log-loss on validation rows; predictions stay",
        source="Guo et al. 2017, section 4.2",
        change={"decide": TemperatureScaling()},
        why_not="the best temperature on the validation rows need not be 1",
        tasks=_CLASSES,
    ),
)
