"""Which sections stand beside the verdicts of a report."""

from bench.reporting.flatterypage import flattery_section
from bench.reporting.interactionpage import interaction_section
from bench.reporting.searchpage import searches_section, target_section
from bench.reporting.standing import Analysis
from bench.reporting.tailpage import tail_section
from bench.reporting.telling import Section


def sections_of(analysis: Analysis) -> list[Section]:
    """Return searches, interactions, flattery and memorisation of the tail; fewer where there is nothing to tell."""
    shown = [dataset for dataset in analysis.datasets if dataset.scored]
    made = [searches_section(shown, analysis.plan), target_section(shown)]
    made += [interaction_section(shown), flattery_section(shown), tail_section(shown)]
    return [one for one in made if one is not None]
