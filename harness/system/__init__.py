"""Processes and files of the machine: who ends with whom, and who holds what."""
