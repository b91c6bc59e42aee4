"""Strain records on disk, and the pipelines that read them for training."""
