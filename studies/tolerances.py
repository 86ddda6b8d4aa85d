"""Every numerical tolerance of the studies, once; those of models and engine stand in `formulations` and `bilevel.tolerances`.

Shares are relative to a named scale; what has a unit says so.  Each says what moves where it changes.
"""

EVEN = 1e-7
"""Of the variance without optimisation: variances that differ by less are one, and the users' bill decides between them.  Larger,
and days are cheaper for users and less even; docs/carbon.md says what it is in kW."""

LEAST_VARIANCE = 1e-6
"""The variance without optimisation counts with at least this share of the mean squared supply: it may be 0 itself.  It moves gaps
and `EVEN` of days that are even from the start."""

BILL_FLOOR_SHARE = 0.6
"""Of the gap that may lie between the bill and its proven floor; the rest is left for losses.  Larger, and the branch and bound
ends sooner, but losses may keep the answer from being certified."""

LEAST_LEVELS = 4e-5
"""Share of all levels of the main grid's supply under which an interval of them is not halved.  Smaller, and the floor of the bill
may get higher, and takes longer."""

BILL_ROUNDING = 1e-9
"""What rounding may have raised the floor of the bill by, over the sizes of the bill's terms: the floor is lowered by it.
Intervals are not rounded outwards, so that this is their slack; smaller, and the floor may be no bound."""

SMALLEST_FACTOR_KG_PER_KWH = 1e-9
"""A box is cut where it may hold a factor that is smaller than any sure one by more than this, in kg/kWh.  Smaller, and boxes are
cut for nothing; larger, and the floor of the bill gets lower, but stays a bound."""

SAME_CHARGING_KW = 1e-6
"""Charging is the same where no station's power differs by more, in kW: an exchange has settled or has come back, and a search has
nothing new to respond to.  Larger, and an exchange ends before users' answers are what was assumed."""

ITERATION_SETTLED = 1e-4
"""What loads of the market's iteration may still move by, over their scales, to have settled: the default of
`bilevel.equilibrium`.  Larger, and the iterated market ends earlier, at prices that are farther from its fixed point."""

COOPERATION_FINER = 10
"""How many times smaller the gap of the cooperative way is than that asked: it is the least of the three, and the
quickest to close.  Smaller, and its gap may hide that the ways are out of order."""

PRICE_SHIFT_PER_KWH = 1e-15
"""How exactly, in currency/kWh, prices are moved down to meet the cap of their mean.  Larger, and means of the prices that are told
of cooperation are off by as much."""

FILLED = 1e-9
"""Share of a period's energy up to which the last bit of charging is rounding, not a period of its own.  Larger, and vehicles want
a little less than their session says."""

LEAST_ENERGY_KWH = 1e-12
"""Least energy of a day, in kWh, that shares and means are taken of: a fleet that needs nothing has shares and means of 0.  Larger,
and those of fleets that need less are too small."""

PRICE_TICK = 1e-6
"""Of the range of prices: exact prices that differ by less are equal, but for what solvers leave.  Users who are indifferent but
for rounding break ties by the rule of the heuristics; larger, and they do where they are not indifferent."""

BOUND_NOTHING = 1e-9
"""An exact objective or bound of less than this share of what gaps are relative to is 0 to the reader of a figure: it is what a gap
leaves.  Larger, and small ones are called 0."""

LINE_SEEN = 0.01
"""The bound, or the objective by a rule for ties, has its own line in a figure where it differs from the exact objective by more
than this share of all that is drawn.  Smaller, and two lines lie on each other."""

SHOWN_AS_ZERO = 1e-9
"""What is nearer to 0 than this, in its own unit, is 0 in tables: digits of rounding say nothing.  Smaller, and they are shown."""

LAST_TICK_HOURS = 1e-9
"""By how much, in hours, ticks may be beyond the end of a time axis: its last one is a sum of periods.  Without it the tick at the
end goes missing."""

LEAST_SPAN_PU = 1e-3
"""Least range of voltages, in per unit, by which a figure decides which limits are near enough to be drawn: a feeder without load
has none.  Larger, and profiles of short feeders get flat."""

ONE_COLOUR_PU = 1e-4
"""Voltages that differ by less, in per unit, have one colour in the drawing of a feeder: labels have as many digits.  Smaller,
and classes of colour have equal ends."""

LEAST_STORAGE_KWH = 1e-3
"""Least capacity of a storage, in kWh, that its axis is made for: one without any has a picture too.  Larger, and curves of
small storages get flat."""

AXIS_FLAT = 1e-12
"""Values of an axis of a page that differ by less, over the largest of them, are one, and get `AXIS_HALF` around them: a range of
rounding has no ticks.  Larger, and small changes of large values get flat."""

AXIS_NOTHING = 1e-9
"""That largest value counts with at least this, in the unit of the axis: all may be 0.  Larger, and charts of smaller values get
flat."""

AXIS_HALF = 1e-3
"""Least half width of such an axis, in its own unit: of 0 there is no share.  Larger, and charts of one small value get wide."""

AXIS_TICK = 1e-9
"""By how much, over the length of the axis, ticks may be beyond its ends, and may differ from the words that they are shown by:
they are sums of steps.  Smaller, and ticks at the ends go missing."""

GAP_ROUNDING = 1e-7
"""By how much a stored gap may differ from that of its objective and bound, in its own unit (relative): both were rounded on their
way.  Larger, and a gap that was changed by as much is believed; smaller, and answers may be refused for rounding."""

SAME_FIGURE = 1e-9
"""Of a number that a table and a JSON file of one folder both tell: more than digits lost in writing.  Larger, and a page may show
one of two numbers that differ."""
