"""Follower models by name; a new one is one file with `name`, `about` and `add`, and a line here.

`add(block, case, session, price, per_unit)` leaves the power `p[t]` (pu) and the expression `payment` (currency) in the follower's
block.  Its keyword-only parameters are the options of the follower, which the file declares as `options`.
"""

from formulations.followers import elastic, ev_user
from formulations.options import Part

FOLLOWERS: dict[str, Part] = {follower.name: follower for follower in map(Part.of, (ev_user, elastic))}
