"""Follower models by name; a new one is one file with `name` and `add`, and a line here.

A keyword-only parameter of `add` is an option of the follower; `add` leaves the power `p[t]` (pu) and the expression `payment`
(currency) in the follower's block.
"""

from collections.abc import Callable

from formulations.followers import elastic, ev_user

FOLLOWERS: dict[str, Callable[..., None]] = {ev_user.name: ev_user.add, elastic.name: elastic.add}
