"""Prices that are set before the day is known: what they come to on other days, and what it is worth to reckon with them."""
