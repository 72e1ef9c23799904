"""What the terminal shows of an analysis: each dataset's ranked table, after what its suite asks for first."""

from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.reporting.focus import focus_of
from bench.reporting.standing import Analysis
from bench.reporting.tables import STYLES, UNDECIDED, WORDY, cells, lacking, title, told

TERMINAL_HEADINGS = ("rank", "technique", "score", "difference [95 %]", "verdict", "cost")
_COMPACT: dict[str, Any] = {"box": box.SIMPLE_HEAD, "show_edge": False, "pad_edge": False, "padding": 0}


def terminal_ranking(analysis: Analysis) -> RenderableType:
    """Return the ranked tables of all datasets for a terminal, then what is incomplete or does not apply.

    The smallest difference that would have been found stands beside an undecided verdict. What a suite asks for stands
    in short above each table.
    """
    focus = focus_of(analysis)
    shown: list[RenderableType] = []
    for dataset in analysis.datasets:
        table = Table(title=Text(title(dataset)), title_justify="left", **_COMPACT)
        for heading in TERMINAL_HEADINGS:
            wraps, side = heading == "technique", "left" if heading in WORDY else "right"
            table.add_column(heading, justify=side, no_wrap=not wraps, overflow="fold")
        for one in dataset.planned:
            line = cells(one, 3) | {"verdict": told(one)}
            table.add_row(*(Text(line[heading]) for heading in TERMINAL_HEADINGS), style=STYLES.get(one.word, ""))
        if not dataset.absent:
            told_first = focus.in_short(analysis, dataset)
            heading = f"{dataset.label}: {focus.heading}" if told_first and focus.heading else ""
            shown += [Text(heading, style="bold")] if heading else []
            shown += [Text(f"- {sentence}") for sentence in told_first]
        shown += [Text(title(dataset), style="italic") if dataset.absent else table, *map(Text, lacking(dataset)), ""]
    if any(one.word == "undecided" for dataset in analysis.datasets for one in dataset.planned):
        shown.append(Text(UNDECIDED, style="italic"))
    return Group(*shown)
