"""Every numerical tolerance of the formulations, once; those of the engine stand in `bilevel.tolerances`.

Shares are relative to a named scale; what has a unit says so.  Each says what moves where it changes.
"""

FLOW_SIZE_FLOOR = 1e-3
"""Least expected power of a branch, over the feeder's largest: a branch behind which nothing is drawn has a size too.  It scales
rows and columns; answers move within the solvers' tolerances only."""

NO_FLOW_PU = 1e-100
"""Apparent power, in per unit, up to which the feeder's largest expected flow counts as none and every size is 1: products of what
is smaller come out as 0.  No feeder with a load has as little, and nothing moves on others."""

LEAST_VOLTAGE_SQUARED = 1e-9
"""Least squared voltage, in per unit, that a squared power is divided by for the range of a current: in a box without any power
flow the upper end may have fallen below 0.  Larger, and ranges of currents lose values where voltage limits are under its root."""

VOLTAGE_BINDS = 1e-5
"""How near to its upper limit, in per unit, a voltage counts as binding: solvers leave it that near.  It chooses the buses that the
reason of a loose cone names; no answer moves."""

LEAST_LOSS_KWH = 1e-30
"""Least loss, in kWh, that the error of the model's losses is relative to in the AC replay: without any load it would be 0 over 0.
Larger, and the check sees less on days that lose less than this."""

PRICE_APART = 1e-9
"""Share of the largest price by which one period must be cheaper than another to be so for certain, and decide what users do in it
whatever else happens: rounding decides nothing.  Larger, and fewer periods are decided, so that models grow and floors of bills
get lower; smaller, and rounding may decide one that is open."""

ENERGY_FITS = 1e-9
"""Share of the energy of full periods by which a session's energy may miss it and still fill them: it is a quotient of data.
Larger, and periods count as idle or full that take a little of it; smaller, and rounding leaves open what is decided."""

LEAST_MIDDLE_PRICE_PER_KWH = 1e-6
"""Least middle of the price limits, in currency/kWh, at which elasticities hold: limits around 0 have a middle that nothing can be
relative to.  It is the slope of demand there, and moves answers of such cases alone."""

LEAST_PRICE_LIMIT_PER_KWH = 1e-12
"""Least price limit, in currency/kWh, that the check of the prices paid is relative to: limits may all be 0.  Larger, and the check
sees less where limits are smaller than this."""

SAME_RATE = 1e-9
"""Share of a rate by which the objective's cost of supply may differ from the wholesale price: rounding of their products.  Larger,
and nodal prices are posted for objectives that hold the cost with another weight; smaller, and rounding gets models refused."""

SAME_RATE_FLOOR = 1e-12
"""The same in currency per pu, where the wholesale price is 0."""

WAY_DECIMALS = 9
"""Decimals, of a km, to which way and congestion of a station are rounded: stations that are equally near for a user stay so, and
go by their order.  Fewer, and the system recommends stations that are farther; more, and rounding chooses between equal ones."""

PRICE_TIE = 1e-10
"""Users take prices as equal that round to the same multiple of this share of the largest possible price: power flows leave errors
of 1e-12, which must not choose between periods that are equally good.  Larger, and users buy in periods that are dearer."""

SAME_CHARGING = 1e-9
"""Charging is the same where no power differs by more than this share of the largest average charging power of a station.  Larger,
and an exchange of factors and charging counts as settled before it is; smaller, and rounding keeps it going."""

THROUGHPUT = 1e-12
"""A bus into which at most this share of the case's whole supply flows has no factor: rounding alone leaves about 1e-16.  Larger,
and buses with a little load have none either."""

CONSISTENCY = 1e-6
"""Load less sources may differ from what a bus draws in the power flow by this share of the case's largest load or source.  It
refuses power flows of other loads; factors do not depend on it."""

CONSISTENCY_FLOOR_PU = 1e-3
"""That largest load or source counts with at least this, in per unit, for the sweep's own tolerance is absolute under 1 pu.
Smaller, and feeders that are next to empty are refused."""

NO_CONSUMPTION = 1e-9
"""Share of the largest consumption of a day under which that of a bus is 0 in the emission replay: loads and outputs are taken
apart by subtraction, which leaves 1e-16 of them.  Larger, and the replay leaves small loads out."""

LEAST_FACTOR_KG_PER_KWH = 1e-12
"""Least emission factor, in kg/kWh, that errors of factors are relative to in the emission replay: all sources may be clean.
Larger, and the check sees less where factors are smaller than this."""

NO_FACTOR_RANGE = 1e-12
"""A factor whose range is no wider, over its upper end (at least 1 kg/kWh), is a number and no variable: a variable without room
would leave a product for nothing.  Larger, and factors that move are held at their lower end."""

LEAST_DEVIATION_KW = 1e-6
"""Least deviation, in kW, in which the limit of the variance is written: of a limit of 0 the row has numbers of its own size.  It
scales the row alone."""

LARGEST_FEE_PER_KWH = 1e9
"""Largest fee of a kWh, in size and in any currency: no price comes near it, and sums with what is larger leave the range in which
a solver tells one row from another.  It refuses fees; nothing else depends on it."""
