"""Tuning levers in sentences. They claim what the verdicts say and no more; of a dataset every lever is named once."""

from collections.abc import Callable, Sequence

from bench.metrics import METRICS
from bench.reporting.levers import Lever, Setting
from bench.reporting.standing import DatasetAnalysis
from bench.reporting.tables import number, with_interval
from bench.reporting.telling import listed
from bench.reporting.words import noise, silence

BATCH = "batch_factor"
TITLE = "What each tuning lever moves"
NOTE = (
    "A lever is better where some setting of it has that verdict, worse where some setting is worse and none better, "
    "equivalent where every setting is shown to lie within the margin, undecided otherwise; in parentheses the setting "
    "that says so with the largest estimate. Each setting is one technique, and p-values are Holm-adjusted over all of "
    "them. The largest of several estimates is likely to be too large: to tune by it takes rows of its own. Network "
    "sizes, image sides, windows, steps and batches are multiples of the baseline's; a batch of another size sees as "
    "many examples, since the steps change the other way, at the same learning rate."
)


def summary(dataset: DatasetAnalysis, levers: Sequence[Lever]) -> list[str]:
    """Return what the verdicts say of the levers of one dataset, naming all of them."""
    return [*_sentences(dataset, levers, ", ".join), *_batches(dataset, levers), *noise(dataset)]


def answers(dataset: DatasetAnalysis, levers: Sequence[Lever]) -> list[str]:
    """Return the same in short: some levers of each kind are named, and how many more there are."""
    return _sentences(dataset, levers, listed)


def _sentences(dataset: DatasetAnalysis, levers: Sequence[Lever], joined: Callable[[list[str]], str]) -> list[str]:
    if dataset.absent:
        return ["Nothing was trained: the data were not on the machine."]
    metric = METRICS[dataset.metric].title
    starts = {
        "better": f"With a setting that is better than the baseline in {metric}",
        "worse": f"With a setting that is worse in {metric}, and none shown to be better",
        "equivalent": f"With every setting practically equivalent to the baseline (within ±{dataset.margin:.4g})",
        "undecided": "Undecided, with the effect that these repeats would have found in any of its undecided settings",
        "": "Without a verdict",
    }
    groups = {word: [one for one in levers if one.word == word] for word in starts}
    told = [
        f"{start}: {joined([_named(dataset, one) for one in _by_effect(dataset, groups[word])])}."
        for word, start in starts.items()
        if groups[word]
    ]
    nothing = f"No setting of any lever was shown to be better than the baseline in {metric}."
    return told if groups["better"] else [silence(dataset) or nothing, *told]


def leading(dataset: DatasetAnalysis, lever: Lever) -> Setting | None:
    """Return the setting that gives a lever its word, the one of the largest estimate; None where none does."""
    own = [one for one in lever.settings if one.standing.word == lever.word]
    return max(own, key=lambda one: (round(_effect(dataset, one), 12), one.value), default=None)


def _by_effect(dataset: DatasetAnalysis, levers: Sequence[Lever]) -> list[Lever]:
    """Return levers, those whose leading settings have the largest estimates first."""

    def effect(one: Lever) -> float:
        found = leading(dataset, one)
        return 0.0 if found is None else -round(_effect(dataset, found), 12)

    return sorted(levers, key=effect)


def _effect(dataset: DatasetAnalysis, one: Setting) -> float:
    """Return the size of a setting's effect; of a better or worse one how far it goes that way."""
    difference = one.standing.difference
    return 0.0 if difference is None else abs(difference.estimate)


def _named(dataset: DatasetAnalysis, lever: Lever) -> str:
    """Return a lever's name, with the setting that gives its verdict and its interval, or what would have been seen."""
    one = leading(dataset, lever)
    if one is None or lever.word in ("equivalent", ""):
        return lever.name
    name = f"{lever.name} {one.value}".strip()
    if lever.word == "undecided":
        shown = [each.standing.verdict for each in lever.settings if each.standing.word == "undecided"]
        most = max((verdict.smallest_detectable for verdict in shown if verdict is not None), default=float("nan"))
        return f"{lever.name} ({number(most)})"
    return f"{name} ({with_interval(one.standing.difference)})"


def _batches(dataset: DatasetAnalysis, levers: Sequence[Lever]) -> list[str]:
    """Return how many examples each batch size saw, as the records have it; nothing where no batch size was tried."""
    own = [one.standing for lever in levers if BATCH in lever.paths for one in lever.settings]
    base = dataset.baseline
    if base is None or not own:
        return []
    steps = sorted([base.steps, *(one.steps for one in own)])
    between = f"in {steps[0]:,.0f} to {steps[-1]:,.0f} steps"
    apart = max(abs(one.examples / base.examples - 1) for one in own)
    if apart <= 0.01:
        return [f"Every batch size saw as many examples as the baseline ({base.examples:,.0f}), {between}."]
    return [
        f"Batch sizes saw numbers of examples that differ by up to {100 * apart:.1f} % from the baseline's, {between}."
    ]
