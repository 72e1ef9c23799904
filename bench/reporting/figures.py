"""Which figures a report has."""

from bench.reporting import searchcurves, searchmap, tries
from bench.reporting.curves import curves_figure
from bench.reporting.drawing import Drawing
from bench.reporting.dumbbell import calibration_figure
from bench.reporting.flatterypage import flattery_figure
from bench.reporting.focus import focus_of
from bench.reporting.forest import forest
from bench.reporting.gapcurves import gap_curves_figure
from bench.reporting.heat import heat_map
from bench.reporting.interactionpage import interaction_figure
from bench.reporting.leverchart import lever_chart
from bench.reporting.matrix import matrix_figure
from bench.reporting.noise import noise_figure
from bench.reporting.places import places_figure
from bench.reporting.scatter import cost_figure, gap_figure
from bench.reporting.sensitivity import sensitivity_figure
from bench.reporting.standing import Analysis
from bench.reporting.stopped import stops_figure
from bench.reporting.tailpage import tail_figure


def draw(analysis: Analysis) -> list[Drawing]:
    """Return all figures of a report; fewer where there is nothing to show yet."""
    compared = [one for one in analysis.datasets if one.compared]
    classified = [one for one in compared if one.facts["task"] == "classification" and one.baseline is not None]
    scored = [one for one in analysis.datasets if one.scored]
    ranked = [one for one in analysis.datasets if any(each.places is not None for each in one.standings)]
    noisy = [one for one in compared if one.noise is not None and one.noise.difference is not None]
    lead = analysis.leads_with_gap
    drawings = []
    if compared:
        drawings += [matrix_figure(compared), forest(compared)]
    if noisy:
        drawings.append(noise_figure(noisy))
    if ranked:
        drawings.append(places_figure(ranked))
    if classified:
        drawings.append(heat_map(classified))
    if scored:
        drawings += [gap_figure(scored, lead), cost_figure(scored)]
    drawings += [] if lead else [curves_figure(scored)]
    drawings += [gap_curves_figure(scored, lead), sensitivity_figure(scored)]
    drawings += [stops_figure(scored)] if lead else []
    drawings += [flattery_figure(scored), tail_figure(scored), interaction_figure(compared)]
    drawings += [calibration_figure(scored)] if analysis.on_imbalance else []
    drawings += [searchmap.search_map(scored), tries.tries_figure(scored), searchcurves.search_curves(scored)]
    drawings += [lever_chart(analysis)] if analysis.focus == "levers" else []
    found, order = [one for one in drawings if one.panels], focus_of(analysis).figures
    first = sorted((one for one in found if one.name in order), key=lambda one: order.index(one.name))
    return [*first, *(one for one in found if one.name not in order)]
