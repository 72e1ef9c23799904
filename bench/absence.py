"""Why a technique has no trials on a dataset, in two words."""

LEFT_OUT = "the suite"  # with what a reason begins that is no fact of a technique and a dataset, but a choice


def absence(reason: str) -> str:
    """Return in two words why a technique has no trials on a dataset: 'not tried', or 'not applicable'."""
    return "not tried" if reason.startswith(LEFT_OUT) else "not applicable"
