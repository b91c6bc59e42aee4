"""The report: what the tables and the samples say, as one HTML page for people or as figures for a paper."""
