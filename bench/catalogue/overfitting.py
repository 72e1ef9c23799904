"""Remedies against overfitting."""

from bench.recipe import Technique
from bench.stages.augmentation import ClassNoise, Jitter, Scaling, WindowShift
from bench.stages.automatic_augmentation import RandAugment, TrivialAugment
from bench.stages.image_augmentation import Crop, Cutout, Flip
from bench.stages.mixing import CutMix, Mixup
from bench.stages.penalties import L2
from bench.stages.stopping import EarlyStopping
from bench.stages.targets import LabelSmoothing

OVERFITTING: tuple[Technique, ...] = (
    Technique(
        name="augmentation",
        family="overfitting",
        claim="trains on varied copies: jitter, scaling and window shift for series, noise within class for tables, "
        "crops and mirror images for images",
        source="Um et al. 2017 (series); Bishop 1995 (noise); He et al. 2016, section 4.2 (images)",
        per_kind={
            "series": {"augment": (Jitter(0.05), Scaling(0.1), WindowShift(3))},
            "table": {"augment": (ClassNoise(0.1),)},
            "image": {"augment": (Crop(), Flip())},
        },
        why_not="its neutral setting differs per kind of data; each augmentation at zero is tested by itself",
    ),
    Technique(
        name="cutout",
        family="overfitting",
        claim="paints over a square of each image, so that no single part of it decides",
        source="DeVries and Taylor 2017, section 3.2",
        change={"augment": (Cutout(0.5),)},
        grid={"augment.cutout.share": (0.25, 0.5)},
        neutral={"augment.cutout.share": 0.0},
        kinds=("image",),
    ),
    Technique(
        name="randaugment",
        family="overfitting",
        claim="distorts each image by two operations out of 14, all at one magnitude",
        source="Cubuk et al. 2020; torchvision.transforms.v2.RandAugment",
        change={"augment": (RandAugment(2, 9),)},
        grid={"augment.randaugment.magnitude": (5, 9, 14)},
        neutral={"augment.randaugment.operations": 0},
        kinds=("image",),
    ),
    Technique(
        name="trivialaugment",
        family="overfitting",
        claim="distorts each image by one operation out of 14 at a random magnitude: nothing to tune",
        source="Mueller and Hutter 2021; torchvision.transforms.v2.TrivialAugmentWide",
        change={"augment": (TrivialAugment(),)},
        why_not="it has no parameter, and thirteen of its 14 operations change the image",
        kinds=("image",),
    ),
    Technique(
        name="mixup",
        family="overfitting",
        claim="trains on weighted means of two examples and of their labels",
        source="Zhang et al. 2018, eq. 1",
        change={"mix": Mixup(1.0)},
        grid={"mix.alpha": (0.2, 0.4, 1.0)},
        neutral={"mix.alpha": 0.0},
        tasks=("classification",),
    ),
    Technique(
        name="cutmix",
        family="overfitting",
        claim="pastes a box of one image into another and mixes the labels by area",
        source="Yun et al. 2019, section 3.1",
        change={"mix": CutMix(1.0)},
        grid={"mix.alpha": (0.2, 0.5, 1.0)},
        neutral={"mix.alpha": 0.0},
        tasks=("classification",),
        kinds=("image",),
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
