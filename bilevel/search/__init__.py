"""The search for the optimum of the single-level program."""
