"""Signals that ask a run to stop, heard in one place, and processes that end with the one that started them."""
