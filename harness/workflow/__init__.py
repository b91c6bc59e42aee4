"""What each command does: the rooms put in order. Each module answers with an exit code."""
