"""When early stopping stopped, and the step whose weights each training kept, as fractions of the budget."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.reporting.canvas import Frame, plotted
from bench.reporting.drawing import INK, Drawing, Panel
from bench.reporting.grids import short_names
from bench.reporting.layout import Sign, rows_of
from bench.reporting.standing import DatasetAnalysis

TITLE = "When early stopping stopped"
DESCRIPTION = (
    "One ring per training: the step whose weights it kept, as a fraction of the most steps that it or the baseline "
    "took; the bar is their median. One tick per training: the step after which it stopped. On the right: "
    "how many kept the weights of the very last step, so that stopping "
    "changed nothing there. Techniques that always keep the last weights have no row. A number after a name is the "
    "strength of that remedy."
)
COLOUR, STOPPED = "#d55e00", "#0072b2"
ROW = 24.0  # points
HEADINGS = ("dataset", "technique", "repeat", "fold", "kept_step", "last_step", "budget", "fraction")


@dataclass(frozen=True)
class Stops:
    """One technique's trainings: where each stands, the step kept, the last step taken, and the budget in steps."""

    technique: str
    places: tuple[tuple[int, int], ...]
    kept: np.ndarray
    last: np.ndarray
    budget: float

    @property
    def fractions(self) -> np.ndarray:
        """Return the steps kept as fractions of the budget."""
        return self.kept / self.budget

    @property
    def at_end(self) -> int:
        """Return how many trainings kept the weights of the budget's last step."""
        return int((self.kept >= self.budget).sum())


def stops_of(dataset: DatasetAnalysis) -> list[Stops]:
    """Return the techniques of which some training kept other weights than its last, by the median step kept."""
    table = dataset.trials
    done = table.where((table["status"] == "ok") & np.isfinite(table["stop_step"]) & (table["steps"] > 0))
    if not len(done):
        return []
    steps = done["steps"]
    base = dataset.baseline
    most = steps[done["technique"] == base.technique].max(initial=0.0) if base is not None else 0.0
    found = []
    for one in dataset.scored:
        own = done.where(done["technique"] == one.technique)
        if len(own) and (own["stop_step"] < own["steps"]).any():
            places = tuple((int(r), int(f)) for r, f in zip(own["repeat"], own["fold"], strict=True))
            budget = float(max(most, own["steps"].max()))
            found.append(Stops(one.technique, places, own["stop_step"], own["steps"], budget))
    return sorted(found, key=lambda one: (float(np.median(one.fractions)), one.technique))


def stops_figure(datasets: Sequence[DatasetAnalysis]) -> Drawing:
    """A strip of trainings per technique, a panel per dataset; no panels where nothing stopped."""
    shown = [(dataset, found) for dataset in datasets if (found := stops_of(dataset))]
    rows = tuple(
        (dataset.label, one.technique, *place, int(kept), int(last), int(one.budget), float(kept / one.budget))
        for dataset, found in shown
        for one in found
        for place, kept, last in zip(one.places, one.kept, one.last, strict=True)
    )
    return Drawing("stops", TITLE, DESCRIPTION, tuple(_panel(*one) for one in shown), HEADINGS, rows)


def _panel(dataset: DatasetAnalysis, found: Sequence[Stops]) -> Panel:
    label, short = dataset.label, short_names(dataset.grids)
    rows = rows_of([short.get(one.technique, one.technique) for one in found], ROW)
    signs = [
        Sign("weights kept", INK, marker="o", hollow=True), Sign("their median", COLOUR, line="-"),
        Sign("stopped", STOPPED, marker="|"),
    ]  # fmt: skip
    frame = Frame(label, "step, fraction of the budget", rows.height, rows.width + 10, 62.0, signs)
    with plotted(frame, (0.0, 1.03)) as (made, plot):
        plot.ticks_x(44.0)
        for one, y in zip(found, rows.centres, strict=True):
            order = np.argsort(one.fractions, kind="stable")
            shifts = (np.arange(len(order)) % 5 - 2) * 2.6
            style = {"markersize": 3.4, "markerfacecolor": "none", "markeredgewidth": 0.7}
            plot.page.plot(plot.x(one.last[order] / one.budget), plot.y(y + shifts), "|", color=STOPPED, markersize=5)
            plot.page.plot(plot.x(one.fractions[order]), plot.y(y + shifts), "o", color=INK, **style)
            middle = float(np.median(one.fractions))
            plot.line([middle, middle], [y - 9, y + 9], COLOUR, 2.0)
        plot.name_rows(rows)
        plot.text(plot.left + plot.width + 6, plot.top - 9, "at the end", va="center")
        plot.beside_rows([f"{one.at_end} of {len(one.kept)}" for one in found], rows.centres)
        return made.finished(label, TITLE, DESCRIPTION)
