"""Remedies against class imbalance that mix or augment the examples of rare classes.

Rare is a class with fewer training rows than the mean class.
"""

from bench.catalogue.augmentation import USUAL
from bench.recipe import Technique
from bench.stages.augmentation import RareClasses
from bench.stages.mixing import Mixup, Remix

_CLASSES = ("classification",)

RARE_CLASSES: tuple[Technique, ...] = (
    Technique(
        name="remix",
        family="imbalance: rare classes",
        claim="mixes inputs as mixup, but gives the whole label to the rarer class where it is three times as rare",
        source="Chou et al. 2020",
        change={"mix": Remix(1.0, kappa=3.0, tau=0.5)},
        grid={"mix.kappa": (3.0, 10.0)},
        neutral={"mix.alpha": 0.0},
        tasks=_CLASSES,
    ),
    Technique(
        name="minority-mixup",
        family="imbalance: rare classes",
        claim="mixes examples of rare classes alone, each with any example of its batch, and their labels",
        source="Zhang et al. 2018, eq. 1, for rare classes only",
        change={"mix": Mixup(1.0, rare_only=True)},
        grid={"mix.alpha": (0.2, 1.0)},
        neutral={"mix.alpha": 0.0},
        tasks=_CLASSES,
    ),
    Technique(
        name="minority-augmentation",
        family="imbalance: rare classes",
        claim="shows varied copies of rare classes alone, varied as 'augmentation' does it for the kind of data",
        source="He et al. 2016, section 4.2 (images), for rare classes only",
        per_kind={kind: {"augment": (RareClasses(stages),)} for kind, stages in USUAL.items()},
        neutral={"augment.rare-classes.stages": ()},
        tasks=_CLASSES,
    ),
)
