"""Fleets: generated, fitted, scaled, aggregated, placed."""
