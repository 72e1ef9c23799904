"""Stored results -> numbers (``analysis``) -> tables and figures -> a page. Never imports torch."""

from bench.reporting.analysis import analyse
from bench.reporting.page import write_report
from bench.reporting.standing import Analysis
from bench.reporting.tables import terminal_ranking

__all__ = ["Analysis", "analyse", "terminal_ranking", "write_report"]
