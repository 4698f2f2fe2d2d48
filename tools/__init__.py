"""House laws and chores, run by make."""
