"""A/A strip: what the noise floor looks like, beside what the techniques do."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.reporting.canvas import Frame, plotted
from bench.reporting.drawing import BAND, INK, Drawing, Panel, rounded, words_of
from bench.reporting.forest import change_in
from bench.reporting.layout import EQUIVALENT, Sign, rows_of, signs_of
from bench.reporting.plot import around, marks
from bench.reporting.standing import DatasetAnalysis, Standing
from bench.reporting.trials import means

TITLE = "The noise floor: the baseline against itself"
DESCRIPTION = (
    "The baseline was trained once more with other initial weights and another batch order (A/A): one ring per repeat, "
    "its difference to the first training, then their mean with its 95 % interval. The techniques' mean differences "
    "stand below for scale; an effect within the scatter of the rings needs many repeats to be told from nothing."
)
BEYOND = 6.0  # techniques further out than so many times the widest ring are only counted
ROW = 26.0  # points


def noise_figure(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """Each repeat's difference of the baseline to itself, and the techniques' mean differences."""
    panels, rows = [], []
    for dataset in datasets:
        if (noise := dataset.noise) is not None:
            values = repeat_differences(dataset, noise)
            panels.append(_panel(dataset, noise, values))
            rows += [(dataset.label, noise.technique, repeat, value) for repeat, value in values.items()]
            rows += [(dataset.label, one.technique, "all", d.estimate) for one, d in _differences(dataset)]
    return Drawing(
        "noise", TITLE, DESCRIPTION, tuple(panels), ("dataset", "technique", "repeat", "difference"), tuple(rows)
    )


def _differences(dataset: DatasetAnalysis) -> list[tuple[Standing, Any]]:
    return [(one, one.difference) for one in dataset.compared if one.difference is not None]


def repeat_differences(dataset: DatasetAnalysis, noise: Standing) -> dict[int, float]:
    """Return, by repeat, the mean over folds of A/A minus baseline in the ranking metric."""
    table, base = dataset.trials, dataset.baseline
    known = table.where((table["status"] == "ok") & np.isfinite(table[dataset.metric]))
    sides = []
    for name in (noise.technique, base.technique if base is not None else ""):
        one = known.where(known["technique"] == name)
        sides.append(dict(zip(zip(one["repeat"], one["fold"], strict=True), one[dataset.metric], strict=True)))
    again, first = sides
    both = sorted(again.keys() & first.keys())
    differences = np.array([again[place] - first[place] for place in both])
    repeats = np.array([place[0] for place in both], dtype=int)
    found = means(differences, repeats)
    return {int(repeat): float(value) for repeat, value in zip(np.unique(repeats), found, strict=True)}


def _panel(dataset: DatasetAnalysis, noise: Standing, values: dict[int, float]) -> Panel:
    shown = _differences(dataset)
    rings = np.array([rounded(value) for value in values.values()])
    margin = dataset.margin if np.isfinite(dataset.margin) else 0.0
    reach = BEYOND * max(np.abs(rings).max(initial=0.0), margin)
    inside = [(one, d) for one, d in shown if abs(d.estimate) <= reach]
    sides = {"left": sum(d.estimate < -reach for _, d in shown), "right": sum(d.estimate > reach for _, d in shown)}
    further = ", ".join(f"{count} further {side}" for side, count in sides.items() if count)
    last = f"techniques, means ({further})" if further else "techniques, means"
    rows = rows_of(["A/A, each repeat", "A/A, mean", last], ROW, 64.0)
    signs = [
        Sign("one repeat", INK, marker="o", hollow=True),
        *signs_of(words_of(one for one, _ in inside)),
        EQUIVALENT,
    ]
    frame = Frame(dataset.label, change_in(dataset), rows.height, rows.width + 14, 10.0, signs)
    d = noise.difference
    ends = [] if d is None else [d.low95, d.estimate, d.high95]
    with plotted(frame, around([0.0, *rings, *ends, *(each.estimate for _, each in inside)])) as (made, plot):
        plot.ticks_x()
        if margin:
            plot.band(-margin, margin, BAND)
        plot.line([0, 0], [0, rows.height], width=0.6)
        first, second, third = rows.centres
        heights = first + _apart(len(rings), 3.5)
        style = {"markersize": 3.5, "markerfacecolor": "none", "markeredgewidth": 0.7}
        plot.page.plot(plot.x(rings), plot.y(heights), "o", color=INK, **style)
        if d is not None:
            plot.page.plot(plot.x([rounded(d.estimate)]), plot.y([second]), "o", color=INK, markersize=4.5)
            if np.isfinite(d.low95):
                plot.spans([rounded(d.low95)], [rounded(d.high95)], [second], INK)
        places = zip(inside, third + _apart(len(inside), 3.0), strict=True)
        marks(plot, [(rounded(each.estimate), y, one) for (one, each), y in places], 4.5)
        plot.name_rows(rows)
        return made.finished(dataset.label, TITLE, DESCRIPTION)


def _apart(count: int, step: float) -> np.ndarray:
    """Return by how much to shift so many marks up or down, in points, so that they do not hide each other."""
    return (np.arange(count) % 5 - 2) * step
