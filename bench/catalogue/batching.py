"""Remedies against class imbalance that act on how batches are drawn."""

from bench.recipe import Technique
from bench.stages.batching import Balanced, Progressive, Shuffled, WeightedRandom
from bench.stages.phases import Phase

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
    Technique(
        name="progressive-sampling",
        family="imbalance: batches",
        claim="draws rows as they are at first, and step by step more evenly over the classes",
        source="Kang et al. 2020, section 4.1 (progressively-balanced sampling)",
        change={"batches": Progressive()},
        why_not="from the first step on rows are drawn with replacement",
        tasks=_CLASSES,
    ),
    Technique(
        name="deferred-sampling",
        family="imbalance: batches",
        claim="learns from rows as they are first, and from balanced batches in the last fifth of the steps",
        source="Cao et al. 2019, section 3.3 (the deferral, there also tried with re-sampling)",
        change={"phases": (Phase("deferred", 0.8, {"batches": Balanced()}),)},
        grid={"phases.deferred.start": (0.5, 0.8)},
        neutral={"phases.deferred.batches": Shuffled()},
        tasks=_CLASSES,
    ),
)
