"""Remedies against overfitting that hold the network back: in its units, its steps, its weights, its labels."""

from bench.recipe import Technique
from bench.stages.penalties import L2
from bench.stages.stopping import EarlyStopping
from bench.stages.targets import DisturbLabel, LabelSmoothing

REGULARISATION: tuple[Technique, ...] = (
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
    Technique(
        name="disturb-label",
        family="overfitting",
        claim="draws a few labels of every batch again at random, so that no label is learned by heart",
        source="Xie et al. 2016",
        change={"targets": DisturbLabel(0.1)},
        grid={"targets.alpha": (0.1, 0.2)},
        neutral={"targets.alpha": 0.0},
        tasks=("classification",),
    ),
)
