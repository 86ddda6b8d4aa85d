"""Followers that decide yes or no: integer and mixed-integer followers, exactly (docs/integer-followers.md)."""
