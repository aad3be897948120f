"""Datasets: what a version is, what it may be called, and who has it. Pure, but for the catalog."""
