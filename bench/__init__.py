"""Benchmarks: ours, a peer and the floor side by side in one run. Not tests."""
