"""What the page and the README of a report both say."""

EXPLANATION = (
    "Every technique is compared with the baseline on the same data, splits and initial weights.",
    "Rank: 1 + the number of techniques that are significantly better. Place: where the score stands in 90 % of "
    "resamplings of the repeats.",
    "Verdict: better or worse (adjusted p below 5 %), equivalent (the difference is shown to lie within the margin), "
    "or undecided; a technique with trials missing has none.",
    "Detectable: the smallest effect that these repeats would have found with 80 % power, for undecided techniques; "
    "elsewhere it stands in parentheses.",
    "Gap: how much better the score on training rows is than on test rows. Cost: CPU time over the baseline's.",
)
GAINS = "Gains over the baseline"
MEAN = (
    "Positive is better. The mean is that of these datasets, variants of one dataset counted once, and says nothing of "
    "others; only verdicts, per dataset, are tested."
)
