"""Training steps and whole trainings of neural networks over ranks."""
