"""Cocktails: several remedies against overfitting at once, as one technique."""

from bench.catalogue.augmentation import AUGMENTATION
from bench.catalogue.optimisation import OPTIMISATION
from bench.catalogue.regularisation import REGULARISATION
from bench.recipe import Change, Technique, combine

_PARTS = {one.name: one for one in (*AUGMENTATION, *REGULARISATION, *OPTIMISATION)}


def _cocktail(name: str, parts: tuple[str, ...], setting: Change | None = None) -> Technique:
    """Return one technique of several, on all tasks and kinds of data that every part applies to.

    setting: dotted path -> value, in place of what a part sets.
    """
    held = [_PARTS[part] for part in parts]
    kinds = [kind for kind in Technique.kinds if all(kind in (tuple(one.per_kind) or one.kinds) for one in held)]
    return Technique(
        name=name,
        family="overfitting",
        claim=f"combines {', '.join(parts[:-1])} and {parts[-1]}",
        source="Kadra et al. 2021 (the idea); of the parts: their own",
        per_kind={kind: {**combine(held, kind), **(setting or {})} for kind in kinds},
        why_not="its parts have neutral settings of their own, where there are such",
        tasks=tuple(task for task in Technique.tasks if all(task in one.tasks for one in held)),
    )


COCKTAILS: tuple[Technique, ...] = (
    _cocktail("cocktail-plain", ("dropout", "weight-decay", "early-stopping"), {"network.dropout": 0.2}),
    _cocktail("cocktail-noise", ("augmentation", "input-noise", "weight-noise", "ema")),
    _cocktail("cocktail-labels", ("augmentation", "mixup", "label-smoothing", "weight-decay", "swa")),
)
