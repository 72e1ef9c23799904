"""What leads the report of a suite on class imbalance: honest gains, the calibration bill, and what else belongs there.

A section is written once for the page and once for the README. ``SECTIONS`` is the place to add one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape

from bench.reporting import calibrationwords, honesttables, honestwords
from bench.reporting.drawing import file_stem
from bench.reporting.markup import table
from bench.reporting.standing import Analysis, DatasetAnalysis
from bench.reporting.tables import markdown


@dataclass(frozen=True)
class Lead:
    """A section that leads a report: its id on the page, its title, and its text as HTML and as Markdown."""

    name: str
    title: str
    html: str
    markdown: str
    files: Mapping[str, str] = field(default_factory=dict)  # none: each dataset has its own


def answers(dataset: DatasetAnalysis) -> list[str]:
    """Return what is left of one dataset's gains, and what they do to calibration, in short."""
    return [*honestwords.answers(dataset), *calibrationwords.sentences(dataset, honestwords.some)[:1]]


def in_short(dataset: DatasetAnalysis) -> list[str]:
    """Return the same in two lines."""
    return [*honestwords.answers(dataset)[:1], *calibrationwords.sentences(dataset, honestwords.some)[:1]]


def _adjusted(analysis: Analysis) -> list[DatasetAnalysis]:
    return [one for one in analysis.datasets if one.adjusted is not None and one.scored]


def survival_section(analysis: Analysis) -> Lead | None:
    """Return what is left of each gain, dataset by dataset."""
    return _section(
        "survival",
        honestwords.TITLE,
        [(one, honestwords.summary(one), honesttables.gain_rows(one)) for one in _adjusted(analysis)],
        honesttables.GAINS,
        honestwords.EXPLANATION,
        "honest",
    )


def calibration_section(analysis: Analysis) -> Lead | None:
    """Return what each technique does to calibration, dataset by dataset."""
    shown = [one for one in _adjusted(analysis) if honesttables.bill_rows(one)]
    return _section(
        "calibration-bill",
        calibrationwords.TITLE,
        [(one, calibrationwords.sentences(one), honesttables.bill_rows(one)) for one in shown],
        honesttables.BILL,
        (calibrationwords.NOTE,),
        "calibration",
        long=True,
    )


SECTIONS: tuple[Callable[[Analysis], Lead | None], ...] = (survival_section, calibration_section)


def _section(
    name: str,
    title: str,
    parts: list[tuple[DatasetAnalysis, list[str], list[list[str]]]],
    headings: tuple[str, ...],
    notes: tuple[str, ...],
    kind: str,
    long: bool = False,
) -> Lead | None:
    """Return a section with sentences and a table per dataset; None where there is no dataset to show.

    kind: of the CSV beside each table; long: whether the page folds the tables away, and Markdown leaves them to it.
    """
    if not parts:
        return None
    html = [f"<section id='{name}'><h2>{escape(title)}</h2>"]
    text = [f"## {title}\n", f"{' '.join(notes)}\n"]
    html += [f"<p class='soft'>{escape(notes[0])}</p>"]
    if more := "".join(f"<li>{escape(line)}</li>" for line in notes[1:]):
        html.append(f"<details><summary>How to read this</summary><ul class='soft'>{more}</ul></details>")
    for dataset, sentences, rows in parts:
        file = f"{file_stem(dataset.label)}-{kind}.csv"
        shown = table(headings, rows, honesttables.WORDS, f"{title} {dataset.label}")
        shown = f"<details><summary>Each technique</summary>{shown}</details>" if long else shown
        told = "".join(f"<p>{escape(one)}</p>" for one in sentences)
        html.append(
            f"<h3>{escape(dataset.label)}</h3>{told}{shown}<p class='soft'>File: <a href='{file}'>{file}</a></p>"
        )
        text += [f"### {dataset.label}\n", "\n".join(f"- {one}" for one in sentences) + "\n"]
        text += [] if long else [markdown(headings, rows, honesttables.WORDS)]
        text.append(f"Numbers: [{file}]({file}).\n")
    return Lead(name, title, "\n".join([*html, "</section>"]), "\n".join(text))
