"""What runs in every rank: clocks, synchronisation, sampling, limits, and the circumstances of it all."""
