"""Sums over ranks: dense, sparse and of gradients, by MPI, by libraries and by algorithms of our own."""
