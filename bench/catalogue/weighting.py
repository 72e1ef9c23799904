"""Remedies against class imbalance that act on the loss."""

from bench.recipe import Technique
from bench.stages.losses import CrossEntropy, Focal, LogitAdjusted

_CLASSES = ("classification",)

WEIGHTING: tuple[Technique, ...] = (
    Technique(
        name="class-weights",
        family="imbalance: loss",
        claim="weights a class by N/(C n_c) in a weighted mean (1/n_c and N/n_c give the same loss there)",
        source="King and Zeng 2001; torch.nn.CrossEntropyLoss(weight)",
        change={"loss": CrossEntropy("balanced", "weighted-mean")},
        grid={"loss.weights": ("inverse", "share", "balanced")},
        neutral={"loss.weights": "none"},
        tasks=_CLASSES,
    ),
    Technique(
        name="class-weights-inverse-mean",
        family="imbalance: loss",
        claim="weights a class by 1/n_c in a plain mean, which also shrinks the loss by about N/C",
        source="King and Zeng 2001",
        change={"loss": CrossEntropy("inverse", "mean")},
        neutral={"loss.weights": "none"},
        tasks=_CLASSES,
    ),
    Technique(
        name="class-weights-share-mean",
        family="imbalance: loss",
        claim="weights a class by N/n_c in a plain mean, which also raises the loss about C-fold",
        source="King and Zeng 2001",
        change={"loss": CrossEntropy("share", "mean")},
        neutral={"loss.weights": "none"},
        tasks=_CLASSES,
    ),
    Technique(
        name="class-weights-balanced-mean",
        family="imbalance: loss",
        claim="weights a class by N/(C n_c) in a plain mean, so that the average weight is one",
        source="King and Zeng 2001; sklearn.utils.class_weight.compute_class_weight",
        change={"loss": CrossEntropy("balanced", "mean")},
        neutral={"loss.weights": "none"},
        tasks=_CLASSES,
    ),
    Technique(
        name="focal",
        family="imbalance: loss",
        claim="down-weights examples that are already easy",
        source="Lin et al. 2017, eq. 5",
        change={"loss": Focal(2.0)},
        grid={"loss.gamma": (0.5, 1.0, 2.0, 5.0)},
        neutral={"loss.gamma": 0.0},
        tasks=_CLASSES,
    ),
    Technique(
        name="logit-adjusted-loss",
        family="imbalance: loss",
        claim="adds the log prior to the logits in training, so that the raw logits answer for balanced classes",
        source="Menon et al. 2021, eq. 10; Ren et al. 2020 (balanced softmax)",
        change={"loss": LogitAdjusted(1.0)},
        grid={"loss.tau": (0.5, 1.0, 1.5)},
        neutral={"loss.tau": 0.0},
        tasks=_CLASSES,
    ),
)
