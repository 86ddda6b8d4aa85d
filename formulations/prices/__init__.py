"""Prices from duals and from credit points."""
