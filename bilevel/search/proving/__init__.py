"""Makes a proof of the bound: the tree over pairs and integers, and multipliers for each of its leaves."""
