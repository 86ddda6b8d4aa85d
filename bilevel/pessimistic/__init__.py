"""Decisions that are best against the worst of the followers' ties: a bound from a duplicate follower, points from margins."""
