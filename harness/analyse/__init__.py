"""What records say: scaling tables, limits, laws, projections, verdicts and histories."""
