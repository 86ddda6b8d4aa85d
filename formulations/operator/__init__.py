"""The operator: its network, generators, costs, and the checks and sweeps of its grid."""
