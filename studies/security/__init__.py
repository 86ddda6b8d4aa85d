"""The price of security: what a leader gives up so that users who are indifferent cannot cost it more."""

from studies.security.price import MARGINS, SecurityPrice, price_of_security
from studies.security.row import MarginRow

__all__ = ["MARGINS", "MarginRow", "SecurityPrice", "price_of_security"]
