"""Remedy Bench: which remedy against overfitting or class imbalance helps, by how much, at what cost, how surely."""

__version__ = "0.1.0"
