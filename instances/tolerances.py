"""Every numerical tolerance of the data, once: what rounding may move, and the least and largest that is read as it stands.

Shares are relative to a named scale; what has a unit says so.  Each says what moves where it changes.
"""

LARGEST = 1e30
"""Largest number of any field, in its own unit: no quantity of a feeder comes near it, and sums and squares of what is smaller stay
finite.  It refuses data; nothing else depends on it."""

LEAST_BASE_KV = 1e-3
"""Least base voltage, in kV: impedances are divided by its square.  It refuses data; nothing else depends on it."""

LEAST_LOAD_KVA = 1e-6
"""Least base power, in kVA, and the load of a feeder up to which it counts as none, so that its base is 1000 kVA: powers are
divided by it.  Larger, and the per-unit numbers of feeders with little load move; what they mean in kW stays."""

ENERGY_SLACK = 1e-9
"""What a session's energy may exceed the most that its window holds by, over this: an energy that fills its window exactly must
survive the rounding of the product that it is compared with.  Larger, and sessions are let in that no schedule can serve."""

PROBABILITY_SLACK = 1e-9
"""What probabilities of scenarios may add up to more or less than 1: those that are read from files have been rounded.  Larger, and
expectations are off by as much."""

SHARE_SLACK = 1e-9
"""Charging of parallel branches whose shares differ from those of their currents by less, over all of it, is that of equal
branches: rounding of reciprocals.  Larger, and branches are merged whose limits are those of no single one."""

NO_POWER = 1e-12
"""Share of the power of all members of a group up to which a vehicle that stands for them is none: second differences leave 1e-16
of it where they are 0.  Larger, and an added-up fleet draws a little less than its sessions."""

NO_SPREAD = 1e-12
"""Standard deviation of a part of scenarios, over its largest value, up to which the scenarios are alike in it: means of equal
numbers are off by 1e-16 of them.  Larger, and scenarios that differ a little count as equal where they are reduced."""

LEAST_CURRENT_A = 3.0
"""A feeder whose loads together draw less, in A, is loaded to a hundredth or less of its conductors: those of 0.4 kV carry 100 A
and more, those of 10 to 20 kV 150 to 400 A.  The shipped feeders draw 200 to 2,600 A.  This and the next two choose what
`bilevel check` warns of; no answer moves."""

LEAST_DROP_PU = 2e-4
"""Feeders are built for drops of 3 to 10 %.  One of less than this, in per unit, carries a hundredth of that, if it is not a few
metres long; a drop is proportional to the load and to the inverse square of the voltage.  The shipped feeders drop 2 to 13 %."""

LARGEST_CURRENT_A = 10_000.0
"""Busbars and transformers that feed distribution networks are built for up to 5,000 A; loads that draw more than this are too
large."""
