"""Exact bilevel optimisation of Pyomo models with follower blocks."""

from bilevel.model import Check, Follower, add_check

__all__ = ["Check", "Follower", "add_check"]
