"""The parts of tools/explain-study: cells and tables."""
