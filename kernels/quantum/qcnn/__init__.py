"""The quantum convolutional network as a module of torch."""
