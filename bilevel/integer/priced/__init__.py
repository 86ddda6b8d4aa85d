"""Followers with integers whose continuous variables the leader prices: their integers are moved to the leader."""
