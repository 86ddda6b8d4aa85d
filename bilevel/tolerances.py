"""Every numerical tolerance of the package, once.  All are relative to a named scale unless they say otherwise."""

FEASIBILITY = 1e-6
"""Rows: largest violation over the size of the row's terms (leader rows, follower rows, stationarity)."""

RESOLUTION = 1e-4
"""What solver tolerances may hide in the objective, over its largest term."""

SIZE_FLOOR = 1e-3
"""Row sizes count every column with at least this share of its scale (solver noise is 1e-9 of the scale)."""

COMPLEMENTARITY = 1e-6
"""slack * dual over (largest proven slack * largest proven dual) of the pair."""

EXCLUSIVITY = 1e-6
"""Smaller of two powers that exclude each other (buying and selling, charging and discharging) over the larger limit of both."""

USER_PRICE = 1e-5
"""What users may pay outside the price limits, over the largest of these: rows keep 1e-6 of their terms, and a price that falls
with demand has terms of up to ten times its own size."""

FOLLOWER = 1e-6
"""(cost at y - proven lower bound of the follower's optimum) over the size of its cost terms."""

CONE_GAP = 1e-5
"""|u w - sum of squares| / (u w) of a cone in a certified answer."""

CONE_CUT = 1e-7
"""A tangent is added where a cone is broken by more than this, relative to its own size."""

SOLVER_FEASIBILITY = 1e-9
"""What linear programs are asked for, on scaled rows and columns."""

SOLVER_INTEGRALITY = 1e-7
"""What mixed-integer programs are asked for."""

MIP_FEASIBILITY = 1e-7
"""Row feasibility of mixed-integer programs, on scaled rows and columns."""

AC_LOSS = 1e-4
"""Losses of the AC replay against the model's, relative."""

AC_VOLTAGE = 1e-5
"""Voltage magnitudes of the AC replay against the model's, in per unit (absolute)."""

AC_LIMIT = 1e-5
"""What the AC power flow behind an approximate model may break limits by: voltages in per unit, currents and powers over theirs."""

EMISSION_FACTOR = 1e-4
"""Emission factors of the model against those of an independent emission flow, over the largest factor."""

OBJECTIVE_FLOOR = 1e-3
"""Gaps are relative to |objective|, but at least to this share of the objective's largest term at the point: terms that cancel
leave rounding behind that is relative to them."""

NOTHING = 1e-6
"""A column under this share of its size counts as zero where sizes are read from a point: a hundred times a solver's tolerance."""

SIDE_SECONDS = 30.0
"""Time for one of the small linear programs beside the search; without its answer nothing is claimed."""

PAIR_SIDE = 1e-6
"""A slack or multiplier under this share of its own scale counts as zero where the sides of a pair are read from a point.  Larger,
and sides of small pairs are guessed wrongly; smaller, and points of interior-point methods decide nothing."""

INTERIOR_DIGITS = 0.01
"""Of the gap: how far an interior point's optimum may be off in its last digits."""

MIP_SHARE = 0.75
"""Of the gap goes to branch and bound, the rest to the tangents that its point still lacks."""

SETTLED = 0.01
"""Of the gap: how far linear programs may stay below the relaxation's optimum when its last tangents are not looked for."""

AT_THE_WALL = 0.99
"""Of the objective at which an endless relaxation is stopped: bounds from there on prove nothing."""

HELD_EXACTLY = 1e-9
"""How far columns of followers with cones may be moved from their exact response, over their scale."""

HELD_LOOSELY = 1e-6
"""The same where the response itself is only that exact."""

TANGENT_NEAR = 1e-8
"""Tangents further than this from a point, over their largest term there, are dropped: many come on the way, few hold."""

TANGENT_UNSEEN = 1e-8
"""A cone broken by less, over its expected product, is what solvers do not see in a scaled row: ten times what they keep."""

AGREEMENT = 1e-5
"""What a solver's objective, bound, rows and integers may be off at its own point, on scaled rows and columns, over the size
of the terms where that is more than 1.  It tells contradictions from rounding; points are judged by certificates."""

ENDLESS = 1e14
"""Scaled columns from here on are a solver's way to say that there is no end."""

GRACE_SECONDS = 2.0
"""Beyond a time limit, or GRACE_SHARE of it if that is more: time to make the best point precise and to recheck it."""

GRACE_SHARE = 0.05
"""See GRACE_SECONDS."""

FRONT_EQUAL = 1e-9
"""Two points of a front are one where their maximised expression differs by less, over its largest value on the front."""

FRONT_AUGMENTED = 1e-3
"""Weight of the limited expression beside the maximised one, both over their ranges: of equally good points the front takes the
one that needs least."""

SCARCITY_RATE = 100.0
"""What the iterative scheme pays for breaking a limit by its whole scale, over the objective's largest term at its columns'
scales."""

INFINITE = 1e20
"""Bounds and limits of this size and more are none: the sentinel of every solver here and of most file formats."""

DOMAIN = 1e-9
"""Bounds of whole numbers and of steps may miss a number by this, over its size (at least 1) in steps: rounding has moved them."""
