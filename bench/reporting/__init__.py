"""Stored results -> numbers (``analysis``) -> tables and figures -> a page. Never imports torch.

``page`` writes a suite's report and ``index`` the index of all; they alone draw, and so load matplotlib.
"""

from bench.reporting.analysis import analyse
from bench.reporting.console import terminal_ranking
from bench.reporting.standing import Analysis

__all__ = ["Analysis", "analyse", "terminal_ranking"]
