"""What the terminal shows of a comparison: per dataset verdict, difference, cost, rank, and who beats whom."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bench.metrics import METRICS
from bench.reporting.standing import DatasetAnalysis, Standing
from bench.reporting.tables import STYLES, cost, number, title, with_interval

if TYPE_CHECKING:
    from bench.comparison import Comparison, OnDataset


def shown(found: "Comparison") -> RenderableType:
    """Return a comparison for a terminal, one block per dataset."""
    parts: list[RenderableType] = [Text(f"{found.technique} against {found.other} ({found.suite})", style="bold")]
    for one in found.datasets:
        lines = Table.grid(padding=(0, 2))
        for heading, text in facts(found, one):
            word = text.split(" ")[0]
            lines.add_row(Text(heading), Text(text, style=STYLES.get(word, "") if heading == "verdict" else ""))
        head = title(one.analysis) if one.analysis is not None else one.label
        parts += ["", Text(head, style="italic"), Padding(lines, (0, 0, 0, 2))]
    return Group(*parts)


def facts(found: "Comparison", one: "OnDataset") -> list[tuple[str, str]]:
    """Return what is to be said of one dataset, (heading, text) a line."""
    if one.missing:
        return [("missing", one.missing)]
    if one.refused:
        return [("refused", reason) for reason in one.refused]
    own, other = one.standing(found.technique), one.standing(found.other)
    if own is None or other is None or one.analysis is None:
        return [("missing", "nothing is stored of it")]
    return list(_facts(own, other, one.analysis, one.left_out))


def _facts(
    own: Standing, other: Standing, dataset: DatasetAnalysis, left_out: Sequence[str]
) -> Iterator[tuple[str, str]]:
    metric = METRICS[dataset.metric]
    yield "verdict", _verdict(own, other, dataset)
    yield "score", f"{number(own.score)} against {number(other.score)} in {metric.title}, {own.done} trials each"
    yield "difference", with_interval(own.difference)
    yield "cost", _cost(own, other, dataset)
    ranked = sum(one.rank is not None for one in dataset.standings)
    if own.rank is not None and ranked > 2:  # of two the verdict says it all
        yield "rank", f"{own.rank} of {ranked}"
        yield "beats", ", ".join(own.beats) or "none"
        yield "beaten by", ", ".join(own.beaten_by) or "none"
    for reason in left_out:
        yield "left out", reason


def _verdict(own: Standing, other: Standing, dataset: DatasetAnalysis) -> str:
    """Return the verdict word with what it rests on."""
    family = dataset.family
    adjusted = f"p adjusted over {family} comparisons" if family > 1 else "one comparison"
    if own.word == "undecided" and own.verdict is not None:
        least = number(own.verdict.smallest_detectable)
        return f"undecided ({adjusted}; these repeats find differences from {least} on, with 80 % power)"
    if own.word in ("better", "worse"):
        return f"{own.word} than {other.technique} ({adjusted})"
    if own.word == "equivalent":
        return f"equivalent to {other.technique}, within ±{dataset.margin:.4g} ({adjusted})"
    if own.word == "identical":
        return f"identical to {other.technique}, trial by trial"
    return f"{own.word}: these repeats and rows give the difference no verdict"


def _cost(own: Standing, other: Standing, dataset: DatasetAnalysis) -> str:
    """Return the cost over the other's; where no machine ran both, the times side by side and the ratio of FLOPs."""
    first, second = (_machines(one, dataset) for one in (own, other))
    if cost(own).endswith("x"):
        return f"{cost(own)} the CPU time on the same machine, in stacks of the same size ({first})"
    return (
        f"not compared in time: {own.cost_seconds:.3g} s on {first} against {other.cost_seconds:.3g} s on {second}, or "
        f"in stacks of other sizes; {cost(own)}"
    )


def _machines(one: Standing, dataset: DatasetAnalysis) -> str:
    """Return the names of the processors that trained a technique."""
    trials = dataset.trials
    return ", ".join(sorted({str(name) for name in trials["machine"][trials["technique"] == one.technique]}))
