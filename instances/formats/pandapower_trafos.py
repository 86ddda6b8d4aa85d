"""Two-winding transformers of a pandapower network as branches and shunts.

With pu of 1 MVA at the rated voltages of the buses, n their ratio, s the transformer's own low voltage over that of its bus, and k
equal ones side by side:

    z = (vkr + j sqrt(vk² - vkr²)) / 100 s² / (sn k)      y = (pfe - j sqrt((i0 sn)² - pfe²)) k / s²      ratio = (hv / lv) / n

A tap changes hv or lv by its steps.  The T of z/2, y and z/2 is a π of the series impedance z (1 + z y / 4) and a shunt of
y / (2 + z y / 2) at each end, behind the ratio.  Its shift turns all voltages behind it alike, which no magnitude or loss of a
radial network sees.  Source of what the columns mean: L. Thurner et al., pandapower, IEEE Trans. Power Systems 33(6), 2018, doi
10.1109/TPWRS.2018.2829021.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instances.formats.pandapower_tables import FULL_PERCENT, Table
from instances.grid.units import FloatArray
from instances.records.errors import InstanceError
from instances.records.feeder import Branch

__all__ = ["Transformers"]

_TAPPED = ("Ratio", "Symmetrical")
_SIDES = ("hv", "lv")


@dataclass(frozen=True, eq=False, slots=True)
class Transformers:
    """Transformers of a table: their buses, and in pu of 1 MVA impedance, magnetising admittance, ratio and largest current."""

    index: tuple[int, ...]
    high: list[int]
    low: list[int]
    impedance: NDArray[np.complex128]
    admittance: NDArray[np.complex128]
    ratio: FloatArray
    current_max: FloatArray

    @classmethod
    def of(cls, table: Table, kv: Mapping[int, float]) -> Transformers:
        """Read a table whose buses have the rated voltages ``kv``; refuse what is no fixed ratio with an impedance, by index.

        A bus without one, behind an open end, is taken at the transformer's own.
        """
        _refuse(table)
        with np.errstate(all="ignore"):
            found = cls._read(table, kv)
        found._check()
        return found

    @classmethod
    def _read(cls, table: Table, kv: Mapping[int, float]) -> Transformers:
        high, low = table.buses("hv_bus"), table.buses("lv_bus")
        hv, lv = (table.numbers(f"vn_{side}_kv") * (1.0 + _tap(table, side)) for side in _SIDES)
        bus_hv, bus_lv = _rated(table, "hv", high, kv), _rated(table, "lv", low, kv)
        rated, parallel = table.numbers("sn_mva"), table.numbers("parallel", 1.0)
        own = (lv / bus_lv) ** 2
        short, resistive = table.numbers("vk_percent") / 100.0, table.numbers("vkr_percent") / 100.0
        iron, idle = table.numbers("pfe_kw", 0.0) / 1000.0, table.numbers("i0_percent", 0.0) / 100.0 * rated
        loading = table.numbers("max_loading_percent", FULL_PERCENT) / FULL_PERCENT * table.numbers("df", 1.0)
        return cls(
            table.index, high, low,
            impedance=_complex(resistive, short) * own / (rated * parallel),
            admittance=_complex(iron, idle).conj() * parallel / own,
            ratio=(hv / lv) / (bus_hv / bus_lv), current_max=rated * parallel * loading * bus_lv / table.numbers("vn_lv_kv"),
        )  # fmt: skip

    def _check(self) -> None:
        for at, index in enumerate(self.index):
            values = self.impedance[at], self.admittance[at], self.ratio[at], self.current_max[at]
            if not np.isfinite(values).all() or not self.impedance[at]:
                raise InstanceError(
                    f"trafo {index} needs numbers in sn_mva, vn_hv_kv, vn_lv_kv, vk_percent and vkr_percent, and buses in service"
                )

    def branches(self, node: Mapping[int, int], base_kv: float) -> list[Branch]:
        """Each as a branch between fused buses, the ratio at its high-voltage side, in ohm at ``base_kv``."""
        z = self.impedance * (1.0 + self.impedance * self.admittance / 4.0) * base_kv**2
        ampere = 1000.0 * self.current_max / (math.sqrt(3.0) * base_kv)
        rows = zip(self.high, self.low, z.tolist(), ampere.tolist(), self.ratio.tolist(), strict=True)
        return [
            Branch(str(node[high]), str(node[low]), ohm.real, ohm.imag, current_max_a=most, tap_ratio=ratio)
            for high, low, ohm, most, ratio in rows
        ]

    def shunts(self) -> Iterator[tuple[int, complex]]:
        """What each draws at its buses at 1 pu: (bus, kW + j kvar fed in)."""
        each = 1000.0 * self.admittance / (2.0 + self.impedance * self.admittance / 2.0)
        for high, low, y, ratio in zip(self.high, self.low, each.tolist(), self.ratio.tolist(), strict=True):
            yield high, y / ratio**2
            yield low, y

    def idle(self, live: tuple[int, ...]) -> Iterator[tuple[int, complex]]:
        """The same of transformers with one end open, each at the bus that is ``live``: y behind half of the impedance."""
        each = 1000.0 * self.admittance / (1.0 + self.impedance * self.admittance / 2.0)
        for bus, high, y, ratio in zip(live, self.high, each.tolist(), self.ratio.tolist(), strict=True):
            yield bus, y / ratio**2 if bus == high else y


def _rated(table: Table, side: str, buses: list[int], kv: Mapping[int, float]) -> FloatArray:
    """Rated voltages of the buses of a side, kV."""
    given = np.array([kv.get(bus, math.nan) for bus in buses])
    return np.where(np.isnan(given), table.numbers(f"vn_{side}_kv"), given)


def _complex(real: FloatArray, size: FloatArray) -> NDArray[np.complex128]:
    """Numbers of a real part and a size, the size being no less than the real part."""
    return np.asarray(real + 1j * np.sqrt(np.maximum(size**2 - real**2, 0.0)))


def _tap(table: Table, side: str) -> FloatArray:
    """Relative change of a side's voltage by the position of the tap."""
    steps = table.numbers("tap_pos", 0.0) - table.numbers("tap_neutral", 0.0)
    here = [value == side for value in table.column("tap_side")]
    return np.where(here, steps * table.numbers("tap_step_percent", 0.0) / 100.0, 0.0)


def _refuse(table: Table) -> None:
    """Refuse tables of taps, tap changers that turn voltages, second ones, and a position whose kind is not told."""
    kinds, shifters = table.column("tap_changer_type"), table.column("tap_phase_shifter")
    moved = table.numbers("tap_pos", 0.0) != table.numbers("tap_neutral", 0.0)
    second = table.numbers("tap2_pos", 0.0) != table.numbers("tap2_neutral", 0.0)
    turned = table.numbers("tap_step_degree", 0.0) != 0
    old = "tap_changer_type" not in (table.columns or {}) and "tap_phase_shifter" in (table.columns or {})
    for at, index in enumerate(table.index):
        told = not _true(shifters[at]) if old else kinds[at] in _TAPPED
        if _true(table.column("tap_dependency_table")[at]):
            raise InstanceError(
                f"trafo {index} has a table of taps; write vk_percent, vkr_percent and the ratio of its position"
            )
        if second[at]:
            raise InstanceError(
                f"trafo {index} has a second tap changer off its neutral position; set tap2_pos to tap2_neutral"
            )
        if moved[at] and (turned[at] or not told):
            raise InstanceError(
                f"trafo {index} has tap_pos off tap_neutral, and its tap changer is not one that changes the ratio alone: set "
                "tap_changer_type to 'Ratio' and tap_step_degree to 0, or tap_pos to tap_neutral"
            )


def _true(value: Any) -> bool:
    return value is not None and value == value and bool(value)
