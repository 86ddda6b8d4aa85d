"""The command `bilevel`."""
