"""The archives that a dataset can come in, read by loops of our own."""
