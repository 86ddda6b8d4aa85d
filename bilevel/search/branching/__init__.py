"""Branching over complementarity pairs: parts of the decision space, what to branch on, and the tree that goes through them."""
