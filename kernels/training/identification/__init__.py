"""Material parameters from strain records: networks, the search for their edges, and trees."""
