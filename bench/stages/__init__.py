"""The mechanisms: one file per recipe slot. A stage is a frozen dataclass of plain parameters.

A stage module imports torch, scikit-learn or imbalanced-learn inside its methods only, so that the catalogue can
name a stage without loading them.
"""
