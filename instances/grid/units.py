"""Per-unit bases of a three-phase feeder: the only module that divides by a base.

Powers are three-phase totals in kW, kvar or kVA, voltages are line-to-line in kV, so that

    base_ohm = 1000 base_kv² / base_kva        base_current_a = base_kva / (√3 base_kv)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from instances import tolerances
from instances.records import checks
from instances.records.feeder import Feeder

__all__ = ["ComplexArray", "FloatArray", "PerUnit"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Quantity = TypeVar("Quantity", float, complex, FloatArray, ComplexArray)

FALLBACK_BASE_KVA = 1000.0


@dataclass(frozen=True, slots=True)
class PerUnit:
    """The bases, three-phase kVA and line-to-line kV; every method takes a number or an array."""

    base_kva: float
    base_kv: float

    def __post_init__(self) -> None:
        """Raise `InstanceError` unless both bases are finite, and large enough to divide by."""
        checks.number("the per-unit system", "base_kva", self.base_kva, at_least=tolerances.LEAST_LOAD_KVA)
        checks.number("the per-unit system", "base_kv", self.base_kv, at_least=tolerances.LEAST_BASE_KV)

    @classmethod
    def for_feeder(cls, feeder: Feeder) -> PerUnit:
        """Choose the power of ten nearest to the feeder's total base load in kVA, 1000 when there is none."""
        kva = math.hypot(math.fsum(b.load_kw for b in feeder.buses), math.fsum(b.load_kvar for b in feeder.buses))
        loaded = kva > tolerances.LEAST_LOAD_KVA
        return cls(10.0 ** round(math.log10(kva)) if loaded else FALLBACK_BASE_KVA, feeder.base_kv)

    @property
    def base_ohm(self) -> float:
        """Base impedance in ohm per phase."""
        return 1000.0 * self.base_kv**2 / self.base_kva

    @property
    def base_current_a(self) -> float:
        """Base line current in ampere."""
        return self.base_kva / (math.sqrt(3.0) * self.base_kv)

    def power(self, kw: Quantity) -> Quantity:
        """Convert kW, kvar or kVA to per unit."""
        return kw / self.base_kva

    def kw(self, pu: Quantity) -> Quantity:
        """Convert a power in per unit to kW (kvar, kVA)."""
        return pu * self.base_kva

    def impedance(self, ohm: Quantity) -> Quantity:
        """Convert ohm to per unit."""
        return ohm / self.base_ohm

    def current(self, a: Quantity) -> Quantity:
        """Convert ampere to per unit."""
        return a / self.base_current_a

    def ampere(self, pu: Quantity) -> Quantity:
        """Convert a current in per unit to ampere."""
        return pu * self.base_current_a
