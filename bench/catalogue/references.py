"""What everything is compared with: the baseline, and free references for forecasts."""

from bench.networks.specs import LastValue, LinearAutoregression
from bench.recipe import Technique

_NO_NEUTRAL = "it replaces the network, so no setting of it equals the baseline"

REFERENCES: tuple[Technique, ...] = (
    Technique(
        name="baseline",
        family="reference",
        claim="the plain recipe of each dataset, tuned on worlds and rows that no suite uses",
        source="bench/baselines.py; docs/baselines.md",
        neutral={},
    ),
    Technique(
        name="last-value",
        family="reference",
        claim="forecasts that the next point equals the last one seen",
        source="Hyndman and Athanasopoulos 2021, section 5.2 (naive method)",
        change={"network": LastValue()},
        why_not=_NO_NEUTRAL,
        tasks=("regression",),
        kinds=("series",),
    ),
    Technique(
        name="linear-autoregression",
        family="reference",
        claim="forecasts with the best linear map from the window, by least squares",
        source="Hyndman and Athanasopoulos 2021, section 9.3 (autoregression)",
        change={"network": LinearAutoregression()},
        why_not=_NO_NEUTRAL,
        tasks=("regression",),
        kinds=("series",),
    ),
)
