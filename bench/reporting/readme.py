"""The report as Markdown, which a code host shows."""

from collections.abc import Sequence

from bench.reporting import gaptables, gapwords, honesttables, honestwords, single, tables, words
from bench.reporting.drawing import Drawing
from bench.reporting.focus import Lead, focus_of
from bench.reporting.sections import GAPS, MATRIX, files_of
from bench.reporting.standing import Analysis, DatasetAnalysis
from bench.reporting.summaries import slug
from bench.reporting.tables import markdown
from bench.reporting.telling import Section
from bench.reporting.texts import EXPLANATION, GAINS, MEAN


def readme(analysis: Analysis, drawings: Sequence[Drawing], besides: Sequence[Section], leads: Sequence[Lead]) -> str:
    """Return the report as Markdown; what its suite asks for comes first."""
    lead = analysis.leads_with_gap
    first = [one for one in drawings if one.name in focus_of(analysis).figures]
    explained = (*gapwords.EXPLANATION, *EXPLANATION) if lead else EXPLANATION
    parts = [f"# {analysis.plan['suite']}\n", f"{analysis.plan['question']}\n", f"{' '.join(explained)}\n"]
    parts += _answers(analysis) if focus_of(analysis).answered else []
    parts += _gaps(analysis) if lead else []
    parts += [*(one.markdown for one in leads), *map(_figure, first)]
    matrix = tables.verdict_matrix(analysis)
    parts += ["## Verdicts\n", markdown(matrix[0], matrix[1:], frozenset(matrix[0][:-3]))]
    gains = tables.across_datasets(analysis)
    parts += [f"## {GAINS}\n", markdown(gains[0], gains[1:]), f"{MEAN} Numbers: [datasets.csv](datasets.csv).\n"]
    parts += [_dataset(dataset, lead) for dataset in analysis.datasets]
    parts += [one.markdown for one in besides]
    parts += [*_splits(analysis), *(_figure(one) for one in drawings if one not in first)]
    return "\n".join(parts)


def _gaps(analysis: Analysis) -> list[str]:
    """Return what was found of the gap as a table."""
    rows = gaptables.closing_matrix(analysis)
    return [f"## {GAPS}\n", markdown(rows[0], rows[1:], frozenset(rows[0])), f"{MATRIX}\n"]


def _answers(analysis: Analysis) -> list[str]:
    """Return in short what was found of what the suite asks for."""
    parts = ["## Answers\n"]
    for dataset in analysis.datasets:
        lines = "\n".join(f"- {sentence}" for sentence in focus_of(analysis).answers(analysis, dataset))
        parts.append(f"**{dataset.label}**\n\n{lines}\n")
    return parts


def _dataset(dataset: DatasetAnalysis, lead: bool) -> str:
    """Return one dataset in words and numbers."""
    told = gapwords.summary(dataset) if lead else [*honestwords.above(dataset), *words.summary(dataset)]
    parts = [f"## {tables.title(dataset)}\n", f"{' '.join(told)}\n"]
    if lead and dataset.scored:
        parts.append(markdown(gaptables.HEADINGS, gaptables.gap_rows(dataset), gaptables.WORDY))
    if dataset.planned:
        parts.append(markdown(*honesttables.ranked(dataset), honesttables.WORDS))
    parts += ["\n".join(f"- {line}" for line in tables.lacking(dataset)) + "\n"] if tables.lacking(dataset) else []
    name = slug(dataset)
    links = ", ".join(f"[{kind}]({name}-{kind}.csv)" for kind in files_of(dataset))
    parts.append(f"{words.protocol(dataset)} Numbers: {links}.\n")
    return "\n".join(parts)


def _splits(analysis: Analysis) -> list[str]:
    """Return what single splits would have said; nothing where no baseline has a score."""
    shown = [dataset for dataset in analysis.datasets if dataset.scored]
    spread = single.spread_rows(shown)
    if not spread:
        return []
    told = [(dataset.label, single.sentence(dataset)) for dataset in shown]
    lines = "\n".join(f"- {label}: {text}" for label, text in told if text)
    files = "[single-splits.csv](single-splits.csv), [baseline-spread.csv](baseline-spread.csv)"
    table = markdown(single.SPREAD_HEADINGS, spread, single.WORDY)
    return [f"## {single.TITLE}\n", f"{lines}\n", table, f"{single.NOTE} Numbers: {files}.\n"]


def _figure(drawing: Drawing) -> str:
    images = [f"![{drawing.title}: {panel.label}]({name})" for name, panel in drawing.files.items()]
    numbers = f"{drawing.description} Numbers: [{drawing.name}.csv]({drawing.name}.csv).\n"
    return "\n".join([f"## {drawing.title}\n", "\n".join(images) + "\n", numbers])
