"""report/<suite>/: one self-contained HTML page, a README that a code host shows, SVG and CSV."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from bench.errors import UsageError
from bench.reporting import csvs, tables, words
from bench.reporting.analysis import analyse
from bench.reporting.drawing import INK, LINE, PAPER, Drawing, file_stem
from bench.reporting.figures import draw
from bench.reporting.standing import Analysis, DatasetAnalysis
from bench.reporting.tables import HEADINGS, WORDY, cells, markdown
from bench.store import Store

EXPLANATION = (
    "Every technique is compared with the baseline on the same data, splits and initial weights.",
    "Rank: 1 + the number of techniques that are significantly better. Place: where the score stands in 90 % of "
    "resamplings of the repeats.",
    "Verdict: better or worse (adjusted p below 5 %), equivalent (the difference is shown to lie within the margin), "
    "or undecided; a technique with trials missing has none.",
    "Detectable: the smallest effect that these repeats would have found with 80 % power, for undecided techniques.",
    "Gap: how much better the score on training rows is than on test rows. Cost: CPU time over the baseline's.",
)
TEMPLATE = Path(__file__).with_name("templates") / "page.html"


@dataclass(frozen=True)
class Written:
    """A report that was written: its page, and the analysis it shows."""

    page: Path
    analysis: Analysis


def write_report(results: Path, report: Path) -> Written:
    """Write the report of one results folder.

    Raises UsageError where the results cannot be read or the report cannot be written.
    """
    analysis = analyse(Store(results))
    drawings = draw(analysis)
    files = {"index.html": _page(analysis, drawings), "README.md": _readme(analysis, drawings)}
    for dataset in analysis.datasets:
        files[f"{slug(dataset)}-ranking.csv"] = csvs.ranking_csv(dataset)
        files[f"{slug(dataset)}-trials.csv"] = csvs.trials_csv(dataset)
        if dataset.facts["task"] == "classification":
            files[f"{slug(dataset)}-classes.csv"] = csvs.classes_csv(dataset)
    files["datasets.csv"] = csvs.datasets_csv(analysis)
    for drawing in drawings:
        files |= {name: panel.svg for name, panel in drawing.files.items()} | {f"{drawing.name}.csv": drawing.csv}
    try:
        report.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (report / name).write_bytes(text.encode())
    except OSError as error:
        raise _unwritable(report, error) from error
    return Written(report / "index.html", analysis)


def _unwritable(report: Path, error: OSError) -> UsageError:
    return UsageError(
        f"the report folder '{report}' cannot be written ({error.strerror}); choose another with --report"
    )


def slug(dataset: DatasetAnalysis) -> str:
    """Return a dataset's label as the start of a file name."""
    return file_stem(dataset.label)


def _readme(analysis: Analysis, drawings: Sequence[Drawing]) -> str:
    """Return the report as Markdown."""
    matrix = tables.verdict_matrix(analysis)
    parts = [f"# {analysis.plan['suite']}\n", f"{analysis.plan['question']}\n", f"{' '.join(EXPLANATION)}\n"]
    parts += ["## Verdicts\n", markdown(matrix[0], matrix[1:], frozenset(matrix[0][:-3]))]
    for dataset in analysis.datasets:
        parts += [f"## {tables.title(dataset)}\n", f"{' '.join(words.summary(dataset))}\n"]
        if dataset.planned:
            parts.append(markdown(HEADINGS, [list(cells(one).values()) for one in dataset.planned]))
        parts += ["\n".join(f"- {line}" for line in tables.lacking(dataset)) + "\n"] if tables.lacking(dataset) else []
        name = slug(dataset)
        links = f"Numbers: [ranking]({name}-ranking.csv), [trials]({name}-trials.csv)."
        parts.append(f"{words.protocol(dataset)} {links}\n")
    for drawing in drawings:
        images = [f"![{drawing.title}: {panel.label}]({name})" for name, panel in drawing.files.items()]
        parts += [f"## {drawing.title}\n", "\n".join(images) + "\n"]
        parts.append(f"{drawing.description} Numbers: [{drawing.name}.csv]({drawing.name}.csv).\n")
    return "\n".join(parts)


def _page(analysis: Analysis, drawings: Sequence[Drawing]) -> str:
    """Return the report as one HTML page that needs no network, and no JavaScript but for sorting."""
    matrix = tables.verdict_matrix(analysis)
    links = [("verdicts", "verdicts"), *((f"dataset-{slug(one)}", one.label) for one in analysis.datasets)]
    links += [(one.name, one.title) for one in drawings]
    body = [
        "<section id='verdicts'><h2>Verdicts</h2>",
        _table(matrix[0], matrix[1:], frozenset(matrix[0][:-3]), "Verdict on each technique, per dataset"),
        "</section>",
        *(_dataset_section(dataset) for dataset in analysis.datasets),
        *map(_figure, drawings),
    ]
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        suite=escape(analysis.plan["suite"]),
        question=escape(analysis.plan["question"]),
        explanation="".join(f"<li>{escape(line)}</li>" for line in EXPLANATION),
        navigation=" ".join(f"<a href='#{name}'>{escape(text)}</a>" for name, text in links),
        body="\n".join(body),
    )


def _dataset_section(dataset: DatasetAnalysis) -> str:
    """Return the ranked table of one dataset, in words and numbers."""
    metrics = tables.metric_rows(dataset)
    name = slug(dataset)
    lines = "".join(f"<li>{escape(line)}</li>" for line in tables.lacking(dataset))
    ranking = [list(cells(one).values()) for one in dataset.planned]
    return "\n".join(
        [
            f"<section id='dataset-{name}'><h2>{escape(tables.title(dataset))}</h2>",
            "".join(f"<p>{escape(sentence)}</p>" for sentence in words.summary(dataset)),
            _table(HEADINGS, ranking, WORDY, f"Ranking on {dataset.label}") if ranking else "",
            f"<ul class='soft'>{lines}</ul>" if lines else "",
            f"<p class='soft'>{escape(words.protocol(dataset))} Files: <a href='{name}-ranking.csv'>ranking</a>, "
            f"<a href='{name}-trials.csv'>trials</a>.</p>",
            "<details><summary>All metrics on test rows</summary>" if ranking else "",
            _table(metrics[0], metrics[1:], WORDY, f"All metrics on {dataset.label}") if ranking else "",
            "</details></section>" if ranking else "</section>",
        ]
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[Any]], left: frozenset[str], caption: str) -> str:
    """Return an HTML table; its headings become buttons that sort where JavaScript runs."""
    sides = ["" if heading in left else " class='number'" for heading in headings]
    head = "".join(f"<th scope='col'{side}>{escape(text)}</th>" for text, side in zip(headings, sides, strict=True))
    lines = []
    for row in rows:
        line = "".join(_cell(str(text), side) for text, side in zip(row, sides, strict=True))
        lines.append(f"<tr class='baseline'>{line}</tr>" if "baseline" in row else f"<tr>{line}</tr>")
    name = escape(caption)
    opening = f"<div class='scroll' tabindex='0' role='region' aria-label='{name}'><table><caption>{name}</caption>"
    return f"{opening}<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"


def _cell(text: str, side: str) -> str:
    """Return a table cell; verdict words carry their colour."""
    word = text.split(" ")[0]
    if word in ("better", "worse", "equivalent", "identical", "undecided"):
        return f"<td><span class='verdict {word}'>{escape(text)}</span></td>"
    return f"<td{side}>{escape(text)}</td>"


def _figure(drawing: Drawing) -> str:
    """Return a figure with its description and its numbers; its panels stand below one another on a phone."""
    rows = [[_shown(cell) for cell in row] for row in drawing.rows]
    left = frozenset({"dataset", "technique", "class", "verdict"})
    panels = "".join(
        f"<div class='panel'>{_themed(panel.svg, f'{drawing.name}-{place}')}</div>"
        for place, panel in enumerate(drawing.panels)
    )
    return (
        f"<section id='{drawing.name}'><h2>{escape(drawing.title)}</h2><figure><div class='panels'>{panels}</div>"
        f"<figcaption>{escape(drawing.description)}</figcaption></figure>"
        "<details><summary>Numbers of this figure</summary>"
        f"{_table(drawing.headings, rows, left, drawing.title)}</details></section>"
    )


def _shown(cell: Any) -> str:
    """Return a number of a figure as printed; empty where there is none."""
    if isinstance(cell, float):
        return f"{cell:.4g}" if math.isfinite(cell) else ""
    return str(cell)


def _themed(svg: str, name: str) -> str:
    """Return an SVG to stand in the page: colours of the page's theme, and ids that no other panel has."""
    inline = svg[svg.index("<svg") :]
    for own, theme in ((INK, "currentColor"), (LINE, "var(--line)"), (PAPER, "var(--paper)")):
        inline = inline.replace(own, theme)
    for before, after in (('id="', f'id="{name}-'), ('href="#', f'href="#{name}-'), ("url(#", f"url(#{name}-")):
        inline = inline.replace(before, after)
    return inline
