"""Sequences of very different lengths, and how they are dealt out to ranks."""
