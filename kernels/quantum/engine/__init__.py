"""State vectors: a plan and angles to amplitudes, expectation values and gradients, on CPU or GPU."""
