"""Companion rules: what every classification of a suite on class imbalance is scored under beside its cells' own rules.

Many a remedy does no more than move the threshold, which costs nothing after training. So its gain is held against the
baseline under another rule, and its probabilities are looked at before and after they are corrected for the class
shares that its loss saw. None of these rules needs a training of its own.
"""

from collections.abc import Mapping

from bench.stages.corrections import PriorCorrection
from bench.stages.decisions import Argmax, Rule
from bench.stages.thresholds import TunedThreshold

ARGMAX, TUNED, CORRECTED = "argmax", "tuned-threshold", "target-correction"
COMPANIONS: Mapping[str, Rule] = {
    ARGMAX: Argmax(),
    TUNED: TunedThreshold(),
    CORRECTED: PriorCorrection(to="target"),
}
