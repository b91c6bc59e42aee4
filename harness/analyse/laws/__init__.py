"""Scaling laws: which there are, how they are fitted, and which of them a series follows."""
