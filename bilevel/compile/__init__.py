"""From a Pyomo model with follower blocks to the sparse program, and back."""
