"""What the machine can do: rates measured by the suite itself, and the limits that they set to counted work."""
