"""Charging prices: tables, figures, fronts and what is written of them."""
