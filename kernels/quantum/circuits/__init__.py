"""Circuits: gates, families, encodings, files, what is read off them, and a simulation gate by gate as reference."""
