"""What can be named in a suite: every technique, with its claim and its source. Explicit lists, no registration."""

from bench.catalogue.augmentation import AUGMENTATION
from bench.catalogue.batching import BATCHING
from bench.catalogue.cocktails import COCKTAILS
from bench.catalogue.deciding import DECIDING
from bench.catalogue.ensembles import ENSEMBLES
from bench.catalogue.networks import NETWORKS
from bench.catalogue.optimisation import OPTIMISATION
from bench.catalogue.optimizers import OPTIMIZERS, SCHEDULES
from bench.catalogue.plain import PLAIN
from bench.catalogue.rare_classes import RARE_CLASSES
from bench.catalogue.references import REFERENCES
from bench.catalogue.regularisation import REGULARISATION
from bench.catalogue.resampling import RESAMPLING
from bench.catalogue.tuning import TUNING
from bench.catalogue.two_stage import TWO_STAGE
from bench.catalogue.weighting import WEIGHTING
from bench.recipe import Technique


def _by_name(techniques: tuple[Technique, ...]) -> dict[str, Technique]:
    """Return the techniques by name; a name that is given twice is an error."""
    named = {technique.name: technique for technique in techniques}
    if len(named) != len(techniques):
        raise ValueError("two techniques in the catalogue have the same name")
    return named


TECHNIQUES: dict[str, Technique] = _by_name(
    (
        *(*REFERENCES, *NETWORKS, *PLAIN, *AUGMENTATION, *REGULARISATION, *OPTIMISATION, *COCKTAILS),
        *(*RESAMPLING, *BATCHING, *WEIGHTING, *RARE_CLASSES, *TWO_STAGE, *ENSEMBLES, *DECIDING),
        *(*OPTIMIZERS, *SCHEDULES, *TUNING),
    )
)
