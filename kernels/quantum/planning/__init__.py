"""How a circuit becomes sweeps, which pass the state through memory once."""
