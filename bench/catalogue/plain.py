"""The plain remedies against overfitting, which everything else must be compared with."""

from bench.recipe import Technique

PLAIN: tuple[Technique, ...] = (
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
