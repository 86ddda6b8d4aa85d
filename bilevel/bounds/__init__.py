"""Limits of multipliers and slacks, each with what proves it."""
