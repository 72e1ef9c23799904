"""The plain remedies against overfitting, which everything else must be compared with."""

from bench.catalogue.networks import TRAINED
from bench.recipe import Technique

PLAIN: tuple[Technique, ...] = (
    Technique(
        name="smaller-network",
        family="overfitting",
        claim="halves the width of the network, so that it has fewer weights to fit noise with",
        source="Baum and Haussler 1989",
        change={"network.scale": 0.5},
        grid={"network.scale": (0.25, 0.5)},
        neutral={"network.scale": 1.0},
        networks=TRAINED,
    ),
    Technique(
        name="more-data",
        family="overfitting",
        claim="trains on twice as many rows, where the suite holds rows back: what any remedy is up against",
        source="Banko and Brill 2001; Sun et al. 2017",
        change={"more_rows": 2.0},
        grid={"more_rows": (2.0, 4.0)},
        neutral={"more_rows": 1.0},
    ),
)
