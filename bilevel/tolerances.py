"""Every numerical tolerance of the package, once.  All are relative to a named scale unless they say otherwise."""

import numpy as np

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

FOLLOWER, WHOLE_FOLLOWER = 1e-6, 1e-9
"""(cost at y - proven lower bound of the follower's optimum) over the size of its cost terms; and of one with integer variables."""

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

STRICT = 1e-8
"""A cell whose slacks and multipliers not all are above this share of their scales may be rounding; ten times what is kept."""

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

LARGEST_ENTRY = 1e30
"""Entry of a row from which HiGHS refuses it, 1e15 by default, which steep tangents in unscaled numbers reach; a smaller one
makes programs a numerical error."""

GRACE_SECONDS = 2.0
"""Beyond a time limit, or GRACE_SHARE of it if that is more: time to make the best point precise and to recheck it."""

GRACE_SHARE = 0.05
"""The share of a time limit that GRACE_SECONDS names: long limits may take more time for digits than short ones."""

FRONT_EQUAL = 1e-9
"""Two points of a front are one where their maximised expression differs by less, over its largest value on the front."""

FRONT_AUGMENTED = 1e-3
"""Weight of the limited expression beside the maximised one, both over their ranges: of equally good points the least is taken."""

SCARCITY_RATE = 100.0
"""What the iterative scheme pays for breaking a limit by its scale, over the objective's largest term at its columns' scales."""

INFINITE = 1e20
"""Bounds and limits of this size and more are none: the sentinel of every solver here and of most file formats."""

DOMAIN = 1e-9
"""Bounds of whole numbers and of steps may miss a number by this, over its size (at least 1) in steps: rounding has moved them."""

PROPAGATION_ROUNDING = 1e-9
"""What rounding may shift a row's activity by when bounds are propagated, over its terms: larger only weakens limits."""

COST_LIMIT_ROOM = 1e-6
"""What a limit on a follower's cost is moved outwards by, over its terms: the point that proves it meets its rows so well only."""

IMPLIED_ROUNDING = 1e-9
"""What implied bounds are moved outwards by, over the terms that they come from: rounding must not cut anything off."""

SLATER_MARGIN = 1e-6
"""Margin of an interior point of a follower's rows, over their size, from which multipliers are bounded by it."""

SINGULAR = 1e-11
"""Smallest over largest singular value of a basis from which it counts as one."""

SINGULAR_ROUNDING = 1e-14
"""The same to which a basis is singular but for rounding; one between the two gives no limit to any row of its part."""

NEVER_REACHED = 1e-6
"""How far a limit must be from every point of the rows, over itself, to be called never reached."""

DUST = 1e-9
"""Scaled entries under this are dropped by SCIP without a word; here they are cleared, and limits moved for them."""

FINE_DUST = 1e-12
"""The same of HiGHS, the least that it can be told to keep, and of solvers that keep more."""

INTERIOR_POINT = 1e-10
"""What interior points are asked for: gap and feasibility, relative."""

EMPTY_ROW = 1e-9
"""What a row without columns may be off, in its own unit."""

SAME_COEFFICIENT = 1e-9
"""Coefficients of prices in leader rows and follower costs that differ by less, over their size, are proportional."""

PRODUCT_BOX = 1e-5
"""How far factors of products may move around a point where these are made linear, over their scale."""

FARKAS_ROUNDING = 1e-12
"""Rounding of the sums of a Farkas proof, over their largest terms."""

FARKAS_MARGIN = 1e-9
"""Margin of a Farkas proof, over the size of the rows that it weighs, under which it is none."""

BLAMED_ROW = 1e-6
"""Least violation, over a follower's row's terms, for which a row is named as the reason of infeasibility."""

CONE_SNAP = 1e-7
"""How far, over its size, a factor of a cone may be above what the cone asks for, to be taken for an interior point's doing."""

REPAIR_NOISE = 1e-12
"""Violations under this, over their rows' terms, are rounding and are not repaired."""

REPAIR_OPEN = 1e-6
"""Share of its scale under which a side of a pair is left open where multipliers are taken anew."""

REPAIR_LEFT = 1e-6
"""What a move may leave of a violation, over the worst one."""

TIE_DIFFERENCE = 1e-7
"""Objectives of ties that differ by less, relatively, are one."""

FOLLOWER_CONE = 1e-9
"""A follower's cone broken by less, over its product, is kept; multipliers under it count as zero where their limit is infinite."""

FIXED_FOLLOWER_ROOM = 1e-8
"""How much wider than a computed answer the rows are that say what followers without a choice do, over their terms."""

RESPONSE_STILL = 1e-12
"""A step of a follower's response under this, over its scale, is its last."""

BOUND_MEETS = 1e-7
"""A bound within this of an objective known to be attained, relatively, has met it."""

OUTER_INTERIOR_POINT = 1e-8
"""What an interior point is asked for where its dual objective is taken as bound."""

TANGENT_FACTOR_FLOOR = 1e-3
"""Least factor of a cone at which its tangent is laid, over what it is expected to be: nearer to the apex tangents are steep."""

LIMIT_NOISE = 1e-7
"""Share of its usual size under which a proven limit of a slack or multiplier is what linear programs leave of 0."""

LIMIT_SAFETY = 1e-6
"""By how much a limit that linear programs prove is widened, relatively: their answers are off by their own tolerance."""

BASIS_SAFETY = 1e-9
"""The same of a limit that solved bases give, which are off by rounding alone."""

LIMIT_LOOSE = 1e3
"""Share of its usual size up to which a proven limit says how large a slack or multiplier is; above it, sizes get coarse."""

BOUND_LOOSE = 1e3
"""A bound counts as loose where the rows imply one that is this much nearer to zero; others are kept as they are."""

SIZE_LOOSE = 1e3
"""Share of a column's term at its bound, over what its row is about, from which the bound is loose and says nothing of its size:
relative tolerances of 1e-6 then leave 1e-6 of what the rows are about at most, with the floor of 1e-3 (`SIZE_FLOOR`)."""

SIZE_FURTHER = 1e6
"""Share of the farther of two limits over the nearer one, from which the nearer one alone tells a size."""

FIRST_WALL = 1e3
"""Where the first tangents of a cone are laid, over its expected size, when without any the program has no end."""

OBJECTIVE_WALL = 1e5
"""How far out an unbounded relaxation is stopped, over the objective's largest term."""

INTERIOR_FINER = 1e-2
"""Share of a column's scale that it keeps at least when an interior point is asked again in the sizes of its values."""

CONE_HELD = 1e-2
"""A point lies on a cone within this share of its expected product: such cones get a tangent where linear programs begin."""

LIMITS_ENLARGED = 1e3
"""By what a user's limits of multipliers are enlarged to see whether the answer rests on them."""

COEFFICIENT_ROUNDING = 64 * np.finfo(float).eps
"""What rounding leaves of a sum of coefficients that is 0, over its terms; an eigenvalue further below 0, per row, is one."""

OBJECTIVE_ROUNDING = 1e-11
"""Lost where terms of an objective cancel, over the largest: larger refuses what solvers tell apart, smaller lets noise pass."""

INTERIOR_DEPTH = 1e-6
"""Room under this, over the size of what it is room in, is no interior of a follower's rows and cones."""

RESPONSE_SOLVED = 1e-11
"""Residuals of a follower's optimality conditions under this, over their sizes, are solved."""

RESPONSE_SIGN = 1e-7
"""How far below zero, over its size, a multiplier may come out of these conditions and still count as zero."""

PRODUCT_WITHOUT_SQUARE = 1e-15
"""Coefficients of a variable without a square of its own under this, over the form's largest, are rounding."""

EIGENVALUE_NOTHING = 1e-12
"""Eigenvalues under this, of a form scaled to a diagonal of ones, are zero."""

QUADRATIC_INTERIOR_POINT = 1e-11
"""What the interior point is asked for that looks at a quadratic follower's corner: gap and feasibility."""

CORNER_WORSE = 1e-8
"""A corner is given up for an interior point that is better by more, over the cost, which counts as this much at least."""

NOT_ZERO = 1e-300
"""Least divisor where sizes are compared: beside nothing at all any difference is without measure, and not undefined."""

LEAST_PRODUCT = 1e-30
"""Least product that a cone's factors are expected to have, in its own unit: what is measured over it stays a number."""

LEAST_SIZE = 1e-12
"""Least size, in its own unit, of a cone's factors, of a row of a follower's response, and of an objective that has a gap."""

LEAST_TERM = 1e-9
"""Least term, in the unit of an objective or a cone, from which new columns get their scale."""

CONE_NOTHING = 1e-9
"""Share of what a cone is expected to carry under which it carries nothing that counts: its squares would be chased for ever."""

AS_GOOD = 1e-9
"""How much worse, relatively, a point may be that is looked for among those as good as the best one."""

FACE = 1e-7
"""A follower's multiplier counts as nonzero above this, over its follower's cost: what it prices is then the same in every tie."""

RESPONSE_SINGULAR = 1e-12
"""Singular values of a follower's optimality conditions under this, over the largest, move nothing in a Newton step."""

FRONT_FINEST = 1e-6
"""The least tolerance that a front can be asked for, over its ranges: the gaps of its points are not smaller by much."""

AT_ONCE = 1e-9
"""Seconds that stand for no time left, where a solver takes no zero."""
