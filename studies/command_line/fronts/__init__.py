"""Commands of fronts in parts: what is printed, the files of proofs, several conventions of ties, and the price of security."""
