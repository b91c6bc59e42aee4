"""Apptainer images: their recipes, their making, what stands in them, and ranks inside them."""
