"""Frozen records of a case, checked when they are made."""
