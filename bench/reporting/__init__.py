"""Stored results -> numbers (``analysis``) -> tables and figures -> a page. Never imports torch."""

from bench.reporting.analysis import analyse
from bench.reporting.index import check_indexes, write_indexes
from bench.reporting.page import write_report
from bench.reporting.standing import Analysis
from bench.reporting.tables import terminal_ranking

__all__ = ["Analysis", "analyse", "check_indexes", "terminal_ranking", "write_indexes", "write_report"]
