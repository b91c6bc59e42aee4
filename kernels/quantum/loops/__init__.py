"""The compiled loops: a tile of the state through a sweep, and small circuits whole."""
