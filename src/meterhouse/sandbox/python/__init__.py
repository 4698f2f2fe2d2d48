"""User scripts in Python, in a worker of Monty: no file, no network, no clock of the day."""
