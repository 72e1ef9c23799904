"""The calibration bill in sentences that claim what its verdicts say."""

from bench.metrics import METRICS
from bench.reporting.calibration import MEASURES
from bench.reporting.comparing import method_of
from bench.reporting.gains import Judged
from bench.reporting.honestwords import Names, every, techniques
from bench.reporting.standing import DatasetAnalysis
from bench.reporting.tables import number

TITLE = "The calibration bill"
NOTE = (
    "Change of Brier score and ECE against the baseline as it is (lower is better): with the probabilities of each "
    "technique's own rule, and with those of its training corrected to the class shares that test rows stand for "
    "(p of a class times its target share over the share that the loss saw). Two families of verdicts per measure, "
    "Holm-adjusted; equivalent within ±2 % of the baseline's. On a fixed test set what is stored gives these two "
    "measures no interval, and so no verdict."
)
REPAIRED = ("better", "equivalent", "identical")
_SILENT = ("not compared", "incomplete", "not scored")


def sentences(dataset: DatasetAnalysis, joined: Names = every) -> list[str]:
    """Return a sentence per measure of calibration; none where no probabilities are scored."""
    return [told for measure in MEASURES if (told := sentence(dataset, measure, joined))]


def sentence(dataset: DatasetAnalysis, measure: str = "brier", joined: Names = every) -> str:
    """Return how many techniques worsen a measure, and of how many of these the correction repairs that."""
    title = METRICS[measure].title
    bills = [(one.technique, one.bill[measure]) for one in techniques(dataset) if measure in one.bill]
    judged = [(name, bill) for name, bill in bills if bill.before.word in (*REPAIRED, "worse", "undecided")]
    if not any(bill.before.word != "identical" for _, bill in judged):
        return f"{title} has a verdict for no technique{_why(dataset)}." if bills else ""
    worse = [(name, bill.after) for name, bill in judged if bill.before.word == "worse"]
    if not worse:
        return f"{title} was shown to be worse than the baseline's for none of {len(judged)} techniques."
    groups = {
        "better than or equivalent to the baseline's": [pair for pair in worse if pair[1].word in REPAIRED],
        "still worse": [pair for pair in worse if pair[1].word == "worse"],
        "undecided": [pair for pair in worse if pair[1].word == "undecided"],
        "without a verdict": [pair for pair in worse if pair[1].word in _SILENT],
    }
    told = [f"{len(held)} {said}: {joined([_named(*p) for p in held])}" for said, held in groups.items() if held]
    noun = "technique" if len(judged) == 1 else "techniques"
    start = f"{title} is worse than the baseline's for {len(worse)} of {len(judged)} {noun}"
    return f"{start}; once corrected to the target's class shares {'; '.join(told)}."


def _why(dataset: DatasetAnalysis) -> str:
    fixed = method_of(dataset.facts) == "test set"
    return ": on a fixed test set it has no interval" if fixed else " here"


def _named(name: str, judged: Judged) -> str:
    if judged.word == "undecided" and judged.verdict is not None:
        return f"{name} ({number(judged.verdict.smallest_detectable)})"
    return name
