"""Fronts of two leader expressions, with proven bounds between their points."""
