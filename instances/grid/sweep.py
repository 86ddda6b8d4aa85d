"""AC power flow of a radial feeder by the backward/forward sweep, over any number of load cases at once.

With J the branch currents, B the incidence of `Network` (with the ratios of transformers), y = g + jb the shunts of the buses and
V_0 the voltages without any current, one sweep is

    B J = conj(S / V) + y V      backward: currents of loads and shunts add up towards the substation
    Bᵀ (V - V_0) = -z J          forward: voltages drop away from it

and it repeats until the loads meet the powers S of the buses. Loads are constant powers, the substation is
the slack. Source: D. Shirmohammadi et al., A compensation-based power flow method, IEEE Trans. Power
Systems 3(2), 1988, doi 10.1109/59.192932.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from instances.grid.network import Network
from instances.grid.units import ComplexArray, FloatArray
from instances.records import checks
from instances.records.errors import InstanceError

__all__ = ["PowerFlow", "ac_power_flow"]


@dataclass(frozen=True, eq=False, slots=True)
class PowerFlow:
    """A solved power flow; ``...`` are the leading dimensions of the loads, n buses as in ``network.buses``.

    ``voltage_pu`` (..., n) complex, the substation's angle 0; ``branch_current_pu`` and
    ``sending_power_pu`` (..., n-1) complex, positive away from the substation, current and power that enter the
    series impedance at the upstream end; ``entering_current_pu`` and ``entering_power_pu``, what enters the branch there, line
    charging included, the current behind the ratio; ``loss_kw`` (...) in all branches; ``supply_pu`` (...) complex, what the main
    grid feeds in; ``mismatch``, the largest deviation of a bus power in per unit; ``iterations``, the sweeps it took.
    """

    voltage_pu: ComplexArray
    branch_current_pu: ComplexArray
    loss_kw: FloatArray
    sending_power_pu: ComplexArray
    entering_current_pu: ComplexArray
    entering_power_pu: ComplexArray
    supply_pu: ComplexArray
    iterations: int
    mismatch: float


def ac_power_flow(
    network: Network,
    load_kw: ArrayLike,
    load_kvar: ArrayLike,
    tolerance: float = 1e-12,
    max_iterations: int = 100,
) -> PowerFlow:
    """Solve the AC power flow for loads of shape (..., n) in ``network.buses`` order; the two broadcast.

    ``tolerance`` is on the largest power mismatch in per unit, relative to the largest load where that
    exceeds 1 pu. Raises `InstanceError` for loads of the wrong shape or that are not finite, and
    naming the load case (the index into the leading dimensions, such as the period) where the sweep does
    not converge.
    """
    checks.number("the power flow", "tolerance", tolerance, above=0)
    checks.integer("the power flow", "max_iterations", max_iterations, at_least=1)
    power = _load_pu(network, load_kw, load_kvar)
    cases = power.shape[:-1]
    # One column per load case, because the sparse solves take the cases side by side
    flat = np.ascontiguousarray(power.reshape(-1, power.shape[-1]).T)[1:]
    with np.errstate(all="ignore"):
        voltage, current, error, iterations = _sweep(network, flat, tolerance, max_iterations)
    _check_converged(error, tolerance * _scale(flat), cases, iterations)
    shaped = voltage.T.reshape(power.shape), current.T.reshape(*cases, len(current))
    return _result(network, power, *shaped, iterations, float(error.max(initial=0.0)))


def _load_pu(network: Network, load_kw: ArrayLike, load_kvar: ArrayLike) -> ComplexArray:
    """Return the complex loads in per unit, shape (..., n), or refuse their shape or values."""
    kw, kvar = np.asarray(load_kw, dtype=np.float64), np.asarray(load_kvar, dtype=np.float64)
    buses = len(network.buses)
    for field, load in (("load_kw", kw), ("load_kvar", kvar)):
        if load.shape[-1:] != (buses,):
            raise InstanceError(
                f"{field} has shape {load.shape}; give (..., {buses}), one value per bus of the network"
            )
        if not np.isfinite(load).all():
            case = tuple(map(int, np.argwhere(~np.isfinite(load))[0]))
            name = network.buses[case[-1]]
            raise InstanceError(f"{field} is {load[case]} at bus {name}{_of_case(case[:-1])}; give a finite number")
    try:
        kw, kvar = np.broadcast_arrays(kw, kvar)
    except ValueError as error:
        raise InstanceError(
            f"load_kw has shape {kw.shape} but load_kvar {kvar.shape}; give both the same shape"
        ) from error
    return network.per_unit.power(kw) + 1j * network.per_unit.power(kvar)


def _sweep(
    network: Network, power: ComplexArray, tolerance: float, max_iterations: int
) -> tuple[ComplexArray, ComplexArray, FloatArray, int]:
    """Iterate on loads of shape (n-1, cases); return voltages, currents, mismatch (cases,), sweeps."""
    tree = _Tree.of(network)
    impedance = (network.resistance_pu + 1j * network.reactance_pu)[:, np.newaxis]
    shunt = (network.conductance_pu + 1j * network.susceptance_pu)[1:, np.newaxis]
    slack = np.full((1, power.shape[1]), network.substation_voltage_pu, dtype=np.complex128)
    idle = tree.unloaded(network.substation_voltage_pu)[:, np.newaxis]
    voltage = np.repeat(idle.astype(np.complex128), power.shape[1], axis=1)
    incidence, target = network.incidence(), tolerance * _scale(power)
    grounded = bool(shunt.any())
    for sweeps in range(1, max_iterations + 1):  # noqa: B007  # its last value is returned
        drawn = np.conj(power / voltage)
        current = tree.towards_substation(drawn + shunt * voltage if grounded else drawn)
        voltage = idle - tree.away_from_substation(impedance * current)
        withdrawn = incidence @ current
        error = np.abs(voltage * np.conj(withdrawn - shunt * voltage if grounded else withdrawn) - power).max(axis=0)
        if not np.isfinite(error).all() or (error <= target).all():
            break
    return np.concatenate([slack, voltage]), current, error, sweeps


# Running sums over the tree solve both systems without a factorisation.  They beat sparse solves tenfold on batches, whose dense
# kernels also start threads for small products, which stalls when processors are shared.


@dataclass(frozen=True, eq=False, slots=True)
class _Tree:
    """Parent branch of every branch (-1 below the substation) and its ratio, None where all are 1."""

    parent: Sequence[int]
    ratio: Sequence[float] | None

    @classmethod
    def of(cls, network: Network) -> _Tree:
        """Return the tree of a network's branches."""
        return cls((network.parent[1:] - 1).tolist(), network.ratio.tolist() if (network.ratio != 1).any() else None)

    def towards_substation(self, rows: ComplexArray) -> ComplexArray:
        """Solve B x = rows in place: every branch carries its own row and what the branches behind it carry."""
        parent, ratio = self.parent, self.ratio
        for branch in range(len(parent) - 1, 0, -1):
            if parent[branch] >= 0:
                rows[parent[branch]] += rows[branch] if ratio is None else rows[branch] / ratio[branch]
        return rows

    def away_from_substation(self, rows: ComplexArray) -> ComplexArray:
        """Solve Bᵀ x = rows in place: every branch has its own row and that of all branches before it."""
        parent, ratio = self.parent, self.ratio
        for branch in range(1, len(parent)):
            if parent[branch] >= 0:
                rows[branch] += rows[parent[branch]] if ratio is None else rows[parent[branch]] / ratio[branch]
        return rows

    def unloaded(self, voltage_pu: float) -> FloatArray:
        """Return the voltages at the ends of the branches without any current, shape (n-1,)."""
        voltage = np.full(len(self.parent), voltage_pu)
        for branch, up in enumerate(self.parent):
            above = voltage[up] if up >= 0 else voltage_pu
            voltage[branch] = above if self.ratio is None else above / self.ratio[branch]
        return voltage


def _scale(power: ComplexArray) -> FloatArray:
    """Return what the tolerance multiplies, shape (cases,): the largest load in per unit, at least 1."""
    return np.asarray(np.abs(power).max(axis=0, initial=1.0))


def _check_converged(error: FloatArray, target: FloatArray, cases: tuple[int, ...], iterations: int) -> None:
    """Raise `InstanceError` naming the first load case whose mismatch is above its target."""
    failed = np.flatnonzero(~(error <= target))
    if failed.size:
        # A case that overflowed stops the sweep while others are still on their way: it is the one to name
        failed = failed[np.argsort(np.isfinite(error[failed]), kind="stable")]
        case = tuple(map(int, np.unravel_index(failed[0], cases))) if cases else ()
        raise InstanceError(
            f"the AC power flow{_of_case(case)} does not converge: the mismatch is {error[failed[0]]:.3g} pu "
            f"after {iterations} sweeps, a sign of voltage collapse; reduce the load, or look at impedances (ohm) and base_kv"
        )


def _of_case(case: tuple[int, ...]) -> str:
    """Return " of load case 7 (period 7)", or nothing when there is one case without an index."""
    return f" of load case (period) {', '.join(map(str, case))}" if case else ""


def _result(
    network: Network,
    power: ComplexArray,
    voltage: ComplexArray,
    current: ComplexArray,
    iterations: int,
    mismatch: float,
) -> PowerFlow:
    """Assemble powers and losses of loads and voltages (..., n) and currents (..., n-1)."""
    behind = voltage[..., network.parent[1:]] / network.ratio
    entering = current + 1j * network.charging_pu * behind
    sending = behind * np.conj(current)
    below = np.flatnonzero(network.parent == 0) - 1
    # The charging at the substation's ends of branches is in its shunt
    shunt = (network.conductance_pu[0] - 1j * network.susceptance_pu[0]) * network.substation_voltage_pu**2
    loss = (network.resistance_pu * np.abs(current) ** 2).sum(axis=-1)
    return PowerFlow(
        voltage_pu=voltage,
        branch_current_pu=current,
        loss_kw=np.asarray(network.per_unit.kw(loss)),
        sending_power_pu=sending,
        entering_current_pu=entering,
        entering_power_pu=behind * np.conj(entering),
        supply_pu=np.asarray(sending[..., below].sum(axis=-1) + power[..., 0] + shunt),
        iterations=iterations,
        mismatch=mismatch,
    )
