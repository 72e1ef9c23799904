"""report/<suite>/: one self-contained HTML page, a README that a code host shows, SVG and CSV."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from bench.errors import UsageError
from bench.reporting.analysis import Analysis, DatasetAnalysis, analyse
from bench.reporting.figures import Drawing, draw
from bench.reporting.tables import HEADINGS, markdown, protocol, ranking_csv, row, summary, title
from bench.store import Store

EXPLANATION = (
    "Rank is 1 + the number of techniques significantly better (in brackets its 90 % interval); difference is to the "
    "baseline, on the same splits, with its 95 % interval; detectable is the smallest effect that these repeats would "
    "have found with 80 % power, shown for undecided ones; gap is training minus test score (positive: overfits); cost "
    "is CPU time over the baseline's."
)


def write_report(results: Path, report: Path) -> Path:
    """Write the report of one results folder; return the page. Raises UsageError where that cannot be done."""
    analysis = analyse(Store(results))
    drawings = draw(analysis)
    files = {"index.html": _page(analysis, drawings), "README.md": _readme(analysis, drawings)}
    files |= {f"{one.label}-ranking.csv": ranking_csv(one) for one in analysis.datasets}
    for drawing in drawings:
        files |= {f"{drawing.name}.svg": drawing.svg, f"{drawing.name}.csv": drawing.csv}
    try:
        report.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (report / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the report folder '{report}' cannot be written ({error.strerror}); choose another with --report"
        ) from error
    return report / "index.html"


def _lacking(dataset: DatasetAnalysis) -> list[str]:
    """Return a line for every technique without full coverage, with the reason."""
    lines = []
    for one in dataset.standings:
        if one.not_applicable:
            lines.append(f"{one.technique}: not applicable ({one.not_applicable})")
        elif one.done < one.planned:
            ended = ", ".join(f"{count} {status}" for status, count in one.other.items())
            lines.append(f"{one.technique}: {one.done} of {one.planned} trials scored; {ended or 'the rest not run'}")
            lines[-1] += f" ({one.reason})" if one.reason else ""
    return lines


def _readme(analysis: Analysis, drawings: Sequence[Drawing]) -> str:
    """Return the report as Markdown."""
    parts = [f"# {analysis.plan['suite']}\n\n{analysis.plan['question']}\n\n{EXPLANATION}\n"]
    for dataset in analysis.datasets:
        parts.append(f"## {title(dataset)}\n\n{summary(dataset)}\n")
        parts.append(markdown(HEADINGS, [row(one) for one in dataset.standings]))
        parts += [f"- {line}" for line in _lacking(dataset)]
        parts.append(f"\n{protocol(dataset)} Numbers: [{dataset.label}-ranking.csv]({dataset.label}-ranking.csv)\n")
    for drawing in drawings:
        parts.append(f"## {drawing.title}\n\n{drawing.description} Numbers: [{drawing.name}.csv]({drawing.name}.csv)\n")
        parts.append(f"![{drawing.title}]({drawing.name}.svg)\n")
    return "\n".join(parts)


STYLE = """
:root { color-scheme: light dark; --ink: #222; --soft: #666; --paper: #fff; --line: #ddd; --head: #f4f4f4; --shade: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --soft: #aaa; --paper: #16181b; --line: #3a3d42; --head: #22252a; --shade: #f3f3f0; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto; max-width: 64rem;
  padding: 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
p.soft { color: var(--soft); font-size: .85rem; }
div.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { background: var(--head); }
td.number, th.number { text-align: right; }
td.better { color: #007a59; font-weight: 600; } td.worse { color: #b84e00; font-weight: 600; }
@media (prefers-color-scheme: dark) { td.better { color: #35d0a2; } td.worse { color: #ff9a5c; } }
figure { margin: 1rem 0; background: var(--shade); border-radius: 6px; padding: .5rem; overflow-x: auto; }
figure svg { max-width: 100%; height: auto; min-width: 30rem; }
figcaption { color: #555; font-size: .85rem; }
details table { width: auto; }
"""


def _page(analysis: Analysis, drawings: Sequence[Drawing]) -> str:
    """Return the report as one HTML page that needs no network and no JavaScript."""
    name = escape(str(analysis.plan["suite"]))
    parts = [
        "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{name} – Remedy Bench</title><style>{STYLE}</style></head><body><main>",
        f"<h1>{name}</h1><p>{escape(str(analysis.plan['question']))}</p><p class='soft'>{escape(EXPLANATION)}</p>",
    ]
    for dataset in analysis.datasets:
        parts.append(f"<h2>{escape(title(dataset))}</h2><p>{escape(summary(dataset))}</p>")
        parts.append(_table(dataset))
        items = "".join(f"<li>{escape(line)}</li>" for line in _lacking(dataset))
        parts.append(f"<ul>{items}</ul>" if items else "")
        parts.append(f"<p class='soft'>{escape(protocol(dataset))}</p>")
    for index, drawing in enumerate(drawings):
        parts.append(f"<h2>{escape(drawing.title)}</h2><figure>{_unique_ids(drawing.svg, index)}")
        parts.append(f"<figcaption>{escape(drawing.description)}</figcaption></figure>{_data_table(drawing)}")
    return "\n".join(parts) + "</main></body></html>\n"


def _unique_ids(svg: str, index: int) -> str:
    """Return an SVG whose ids carry its number, so that several on one page do not clash."""
    for before, after in (('id="', f'id="f{index}-'), ('"#', f'"#f{index}-'), ("url(#", f"url(#f{index}-")):
        svg = svg.replace(before, after)
    return svg


def _table(dataset: DatasetAnalysis) -> str:
    """Return the ranked table as HTML."""
    text = {"technique", "difference", "verdict"}
    head = "".join(
        f"<th scope='col'{'' if heading in text else _NUMBER}>{heading}</th>" for heading in HEADINGS
    )
    lines = []
    for one in dataset.standings:
        word = one.verdict.word if one.verdict else ""
        cells = [
            f"<td class='{word if heading == 'verdict' else '' if heading in text else 'number'}'>{escape(cell)}</td>"
            for heading, cell in zip(HEADINGS, row(one), strict=True)
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"


_NUMBER = " class='number'"


def _data_table(drawing: Drawing) -> str:
    """Return a figure's numbers as a table that opens on demand."""
    head, *lines = [line.split(",") for line in drawing.csv.strip().split("\n")]
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines)
    columns = "".join(f"<th scope='col'>{escape(cell)}</th>" for cell in head)
    return (
        f"<details><summary>Numbers of this figure</summary><div class='scroll'><table><thead><tr>{columns}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div></details>"
    )
