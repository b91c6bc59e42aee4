"""Past the measured node counts: what an allreduce costs on networks that nobody here has."""
