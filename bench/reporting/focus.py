"""What a suite's ``focus`` puts first in its report: figures, sections, and what is answered in a few sentences.

A new focus is one more entry of ``FOCI``: the page, the README, the terminal and the summary read it from here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bench.reporting import gapwords, imbalance, leverpage, searchmap, searchpage, tries, words
from bench.reporting.standing import Analysis, DatasetAnalysis


class Lead(Protocol):
    """A section that leads a report: its id on the page, its title, and its text as HTML and as Markdown."""

    @property
    def name(self) -> str:
        """Return the id."""
        ...

    @property
    def title(self) -> str:
        """Return the title."""
        ...

    @property
    def html(self) -> str:
        """Return the section as HTML."""
        ...

    @property
    def markdown(self) -> str:
        """Return the section as Markdown."""
        ...

    @property
    def files(self) -> Mapping[str, str]:
        """Return the text of the files that belong to it alone, by name."""
        ...


Answers = Callable[[Analysis, DatasetAnalysis], list[str]]


def _verdicts(analysis: Analysis, dataset: DatasetAnalysis) -> list[str]:
    return [*words.summary(dataset)[:1], *searchpage.sentences(dataset)]


def _searched(analysis: Analysis, dataset: DatasetAnalysis) -> list[str]:
    return searchpage.sentences(dataset)


def _nothing(analysis: Analysis, dataset: DatasetAnalysis) -> list[str]:
    return []


@dataclass(frozen=True)
class Focus:
    """What leads a report.

    answers   what was found on a dataset, the most important first
    in_short  the sentences of it that the terminal shows above a dataset's table, under ``heading`` if there is one
    sections  before the verdicts; figures: names of those that come with them
    """

    answers: Answers = _verdicts
    in_short: Answers = _nothing
    heading: str = ""
    sections: tuple[Callable[[Analysis], Lead | None], ...] = ()
    figures: tuple[str, ...] = ()

    @property
    def answered(self) -> bool:
        """Return whether there is more to answer than the verdicts say."""
        return self.answers is not _verdicts

    def leads(self, analysis: Analysis) -> list[Lead]:
        """Return the sections that there is something to tell in."""
        return [one for one in (make(analysis) for make in self.sections) if one is not None]


def _gap(analysis: Analysis, dataset: DatasetAnalysis) -> list[str]:
    return gapwords.answers(dataset)


FOCI: Mapping[str, Focus] = {
    "score": Focus(
        in_short=_searched, heading="what was chosen on validation rows", figures=(searchmap.NAME, tries.NAME)
    ),
    "gap": Focus(
        answers=_gap,
        in_short=_gap,
        heading="the gap between training and test rows",
        figures=("gap-score", "sensitivity", "gap-curves", "stops"),
    ),
    "imbalance": Focus(
        answers=lambda _, dataset: imbalance.answers(dataset),
        in_short=lambda _, dataset: imbalance.in_short(dataset) if dataset.adjusted is not None else [],
        sections=imbalance.SECTIONS,
        figures=("calibration",),
    ),
    "levers": Focus(
        answers=leverpage.answers,
        in_short=leverpage.answers,
        heading="what each lever moves",
        sections=(leverpage.lever_section,),
        figures=("lever-chart",),
    ),
}


def focus_of(analysis: Analysis) -> Focus:
    """Return what leads the report of a suite."""
    return FOCI[analysis.focus]
