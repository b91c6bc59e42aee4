"""One state vector over MPI ranks."""
