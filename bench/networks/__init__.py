"""Network specifications (``specs``, light to import) and the stacked modules they build (torch)."""
