"""Remedies against class imbalance that act on how batches are drawn."""

from bench.recipe import Technique
from bench.stages.batching import Balanced, WeightedRandom

_CLASSES = ("classification",)

BATCHING: tuple[Technique, ...] = (
    Technique(
        name="weighted-sampling",
        family="imbalance: batches",
        claim="draws rows with replacement so that classes are equally likely",
        source="Shen et al. 2016; torch.utils.data.WeightedRandomSampler",
        change={"batches": WeightedRandom(0.0)},
        grid={"batches.q": (0.0, 0.5)},
        why_not="even at q = 1 rows are drawn with replacement",
        tasks=_CLASSES,
    ),
    Technique(
        name="balanced-batches",
        family="imbalance: batches",
        claim="puts the same number of each class into every mini-batch",
        source="Kang et al. 2020, section 4.1 (class-balanced sampling)",
        change={"batches": Balanced()},
        why_not="it has no setting that leaves batches as they were",
        tasks=_CLASSES,
    ),
)
