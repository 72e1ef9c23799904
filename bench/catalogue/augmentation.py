"""Remedies against overfitting that show the network other rows than there are."""

from bench.recipe import Technique
from bench.stages.augmentation import Augment, ClassNoise, Jitter, Scaling, WindowShift
from bench.stages.automatic_augmentation import RandAugment, TrivialAugment
from bench.stages.enlarging import Enlarge
from bench.stages.image_augmentation import Crop, Cutout, Flip
from bench.stages.mixing import CutMix, Mixup

USUAL: dict[str, tuple[Augment, ...]] = {
    "series": (Jitter(0.05), Scaling(0.1), WindowShift(3)),
    "table": (ClassNoise(0.1),),
    "image": (Crop(), Flip()),
}
_SOURCE = "Um et al. 2017 (series); Bishop 1995 (noise); He et al. 2016, section 4.2 (images)"

AUGMENTATION: tuple[Technique, ...] = (
    Technique(
        name="augmentation",
        family="overfitting",
        claim="trains on varied copies: jitter, scaling and window shift for series, noise within class for tables, "
        "crops and mirror images for images",
        source=_SOURCE,
        per_kind={kind: {"augment": stages} for kind, stages in USUAL.items()},
        why_not="its neutral setting differs per kind of data; each augmentation at zero is tested by itself",
    ),
    Technique(
        name="enlarge",
        family="overfitting",
        claim="adds a transformed copy of every training row once, before training, so that the set is twice as large",
        source=f"Simard et al. 2003 (the idea); {_SOURCE}",
        per_kind={kind: {"enlarge": Enlarge(1, stages)} for kind, stages in USUAL.items()},
        grid={"enlarge.copies": (1, 3)},
        neutral={"enlarge.copies": 0},
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
        claim="trains on weighted means of two examples and of their labels (values, of a forecast)",
        source="Zhang et al. 2018, eq. 1",
        change={"mix": Mixup(1.0)},
        grid={"mix.alpha": (0.2, 0.4, 1.0)},
        neutral={"mix.alpha": 0.0},
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
)
