"""Quadratic rows, roots and powers as second-order cones."""
