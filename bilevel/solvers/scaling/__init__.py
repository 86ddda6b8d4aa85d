"""What stands between a program and a solver: scaled numbers, answers that are looked at, entries that solvers drop."""
