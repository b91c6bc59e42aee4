"""Records on disk: what they are, how they are written, read, packed, kept as baselines, and imported."""
