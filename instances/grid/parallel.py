"""Branches between the same two buses, merged into the one that carries what they carry together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from instances import tolerances
from instances.records.errors import InstanceError
from instances.records.feeder import Branch

__all__ = ["merged"]


def merged(branches: Iterable[Branch], names: Iterable[str] | None = None) -> tuple[Branch, ...]:
    """Return the branches with parallel ones as one, at the place and in the direction of the first.

    Admittances y_k = 1/z_k add up to y = Σ y_k, and so does charging. Branch k carries the share |y_k| / |y| of the current and
    of the apparent power, so that the whole may carry the least limit_k |y| / |y_k|. Raises `InstanceError` naming the buses, and
    the branches if there are ``names``, where no single branch does the same: ratios of transformers that differ, or are at
    different ends; no impedance, which takes all the current; limits beside charging that is not shared as the currents are.
    """
    groups: dict[frozenset[str], list[tuple[Branch, str]]] = {}
    found = list(branches)
    for branch, name in zip(found, names or [""] * len(found), strict=True):
        groups.setdefault(frozenset((branch.from_bus, branch.to_bus)), []).append((branch, name))
    return tuple(
        group[0][0] if len(group) == 1 else _one([branch for branch, _ in group], [name for _, name in group])
        for group in groups.values()
    )


def _one(group: Sequence[Branch], names: Sequence[str]) -> Branch:
    """Return one branch for a group."""
    first = group[0]
    if any(branch.tap_ratio != first.tap_ratio for branch in group) or (
        first.tap_ratio != 1 and any(branch.from_bus != first.from_bus for branch in group)
    ):
        raise _refusal(first, names, "transformers of different ratios", "give them one ratio, or keep one")
    impedances = [complex(branch.resistance_ohm, branch.reactance_ohm) for branch in group]
    if not all(impedances):
        raise _refusal(first, names, "a branch without impedance beside others", "keep it alone")
    total = sum(1 / z for z in impedances)
    shares = [abs(1 / z) / abs(total) for z in impedances]
    charging = math.fsum(branch.charging_kvar for branch in group)
    current = min(branch.current_max_a / share for branch, share in zip(group, shares, strict=True))
    power = min(branch.power_max_kva / share for branch, share in zip(group, shares, strict=True))
    unequal = max(abs(b.charging_kvar - s * charging) for b, s in zip(group, shares, strict=True))
    most = tolerances.SHARE_SLACK * sum(abs(branch.charging_kvar) for branch in group)
    if unequal > most and min(current, power) < math.inf:
        raise _refusal(first, names, "limits and charging that differ", "leave out the charging or the limits")
    whole = 1 / total
    return replace(
        first,
        resistance_ohm=max(whole.real, 0.0),
        reactance_ohm=max(whole.imag, 0.0),
        current_max_a=current,
        power_max_kva=power,
        charging_kvar=charging,
    )


def _refusal(first: Branch, names: Sequence[str], what: str, remedy: str) -> InstanceError:
    """Return the refusal of a group of parallel branches."""
    ends = f"between buses {first.from_bus} and {first.to_bus}"
    who = f"{' and '.join(names)}, parallel {ends}," if any(names) else f"parallel branches {ends}"
    return InstanceError(f"{who} have {what}; {remedy}")
