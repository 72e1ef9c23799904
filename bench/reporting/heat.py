"""Heat map: how much each class's F1 changes against the baseline, where a mean over classes hides it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bench.reporting.drawing import PAPER, STYLE, Drawing, rounded, svg_text
from bench.reporting.standing import FEW_ROWS, DatasetAnalysis
from bench.reporting.tables import signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE_CLASSES = 12  # side by side, so that the numbers in the cells can be read


def heat_map(datasets: Sequence[DatasetAnalysis], techniques: Sequence[str]) -> Drawing:
    """Change of per-class F1 against the baseline; classes by support, those with few test rows hatched."""
    title = "Change of each class's F1 against the baseline"
    description = (
        "Rows in the order of the suite; classes from most to fewest test rows, with the baseline's F1 below each. "
        f"Hatched: fewer than {FEW_ROWS} test rows. Exploratory: no test stands behind a single cell."
    )
    names = [name for name in techniques if any(one.technique == name for d in datasets for one in d.compared)]
    changes = [_class_changes(dataset, names) for dataset in datasets]
    limit = rounded(max(np.abs(change[np.isfinite(change)]).max(initial=0.05) for change in changes))
    lines = _lines([len(dataset.facts["classes"]) for dataset in datasets])
    with mpl.rc_context(STYLE):
        widest = max(sum(widths.values()) for widths in lines)
        most = max(len(widths) for widths in lines)
        size = (3.0 + 0.62 * widest + 0.35 * most, len(lines) * (0.2 * len(names) + 1.4))
        figure = Figure(figsize=size, layout="constrained")
        for part, widths in zip(figure.subfigures(len(lines), 1, squeeze=False)[:, 0], lines, strict=True):
            blank = widest - sum(widths.values())
            ratios = [*widths.values(), *([blank] if blank else [])]
            axes = part.subplots(1, len(ratios), sharey=True, squeeze=False, width_ratios=ratios)[0]
            meshes = [
                _heat_panel(axis, datasets[at], changes[at], limit) for axis, at in zip(axes, widths, strict=False)
            ]
            for axis in axes[len(widths) :]:
                axis.set_axis_off()
            axes[0].set_yticks(np.arange(len(names)) + 0.5, names)
            axes[0].set_ylim(len(names), 0)
            part.colorbar(meshes[0], ax=list(axes), label="change in F1", fraction=0.02, aspect=30, pad=0.01)
        svg = svg_text(figure, title, description)
    rows = tuple(
        (dataset.label, name, dataset.facts["classes"][at], dataset.support[at], change[row, at])
        for dataset, change in zip(datasets, changes, strict=True)
        for row, name in enumerate(names)
        for at in _by_support(dataset)
        if np.isfinite(change[row, at])
    )
    return Drawing(
        "per-class-f1", title, description, svg, ("dataset", "technique", "class", "test_rows", "change"), rows
    )


def _lines(classes: Sequence[int]) -> list[dict[int, int]]:
    """Return lines of panels, dataset's place -> its classes, as many in a line as ``LINE_CLASSES`` allow."""
    lines: list[dict[int, int]] = []
    for place, count in enumerate(classes):
        if not lines or sum(lines[-1].values()) + count > LINE_CLASSES:
            lines.append({})
        lines[-1][place] = count
    return lines


def _by_support(dataset: DatasetAnalysis) -> list[int]:
    """Return the classes from most to fewest test rows; where these are alike, rows to train on decide."""
    trained = dataset.facts["class_counts"] or [0] * len(dataset.support)
    return [int(at) for at in np.lexsort((-np.asarray(trained, dtype=float), -dataset.support))]


def _class_changes(dataset: DatasetAnalysis, names: Sequence[str]) -> np.ndarray:
    """Return changes of F1 [techniques, C], NaN where a technique has no score here."""
    found = {one.technique: one.class_f1 for one in dataset.scored}
    base = dataset.baseline.class_f1 if dataset.baseline is not None else None
    nothing = np.full(len(dataset.facts["classes"]), np.nan)
    scores = [found.get(name) for name in names]
    return np.array([nothing if base is None or one is None else one - base for one in scores])


def _heat_panel(axis: "Axes", dataset: DatasetAnalysis, change: np.ndarray, limit: float) -> Any:
    order = _by_support(dataset)
    shown = np.round(change[:, order], 4)
    mesh = axis.pcolormesh(shown, cmap="PuOr", vmin=-limit, vmax=limit, edgecolors=PAPER, linewidth=0.5)
    for (row, column), value in np.ndenumerate(shown):
        if np.isfinite(value):
            dark = abs(value) > 0.6 * limit
            text = signed(float(value), 2)
            at = (column + 0.5, row + 0.5)
            axis.annotate(text, at, ha="center", va="center", fontsize=6.5, color="#f7f7f7" if dark else "#202124")
    for column, at in enumerate(order):
        if dataset.support[at] < FEW_ROWS:
            place = ((column, 0), 1, len(shown))
            axis.add_patch(Rectangle(*place, fill=False, hatch="////", edgecolor="#6b7280", linewidth=0))
    base = dataset.baseline.class_f1 if dataset.baseline is not None else None
    names = []
    for at in order:
        name = str(dataset.facts["classes"][at]).replace("-", "-\n")
        score = "" if base is None else f"\nF1 {base[at]:.2f}"
        names.append(f"{name}\n{dataset.support[at]:.0f} rows{score}")
    axis.set_xticks(np.arange(len(order)) + 0.5, names, fontsize=6.5)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.set_title(dataset.label)
    return mesh
