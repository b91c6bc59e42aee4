"""One training step divided over ranks: by data, tensors, pipeline stages, or all three."""
