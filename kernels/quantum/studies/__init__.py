"""Quantum neural networks put to the thesis's tasks: kernels whose figures of merit are quality and time to quality."""
