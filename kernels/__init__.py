"""What scalemark measures. Knows nothing of the harness: importable and usable alone."""
