"""Small files of other tools: a network of MATPOWER, one of pandapower, and a bilevel problem in MPS and AUX."""

from __future__ import annotations

import json
from typing import Any

MATPOWER = """function mpc = small
%SMALL  Three buses and an open tie
mpc.version = '2';
mpc.baseMVA = 10;
mpc.bus = [  %% kW
 1 3 0 0 0 0 1 1 0 10 1 1 1;
 2 1 60 20 0 0 1 1 0 10 1 1.1 0.9;
 5 1 40 10 0 0 1 1 0 10 1 1.1 0.9
];
mpc.gen = [1 0 0 10 -10 1 100 1 10 0;];
mpc.branch = [
 1 2 0.5 0.25 0 0 0 0 0 0 1 -360 360;
 5 2 1.0 0.5 0 2.5 0 0 0 0 1 -360 360;
 1 5 9 9 0 0 0 0 0 0 0 -360 360;
];
[PQ, PV, REF, NONE, BUS_I, BUS_TYPE, PD, QD] = idx_bus;
[F_BUS, T_BUS, BR_R, BR_X] = idx_brch;
Vbase = mpc.bus(1, 10) * 1e3;
Sbase = mpc.baseMVA * 1e6;
mpc.branch(:, [BR_R BR_X]) = mpc.branch(:, [BR_R BR_X]) / (Vbase^2 / Sbase);
mpc.bus(:, [PD, QD]) = mpc.bus(:, [PD, QD]) / 1e3;
"""


def _table(rows: dict[int, dict[str, Any]]) -> dict[str, str]:
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    data = [[row.get(name) for name in columns] for row in rows.values()]
    text = json.dumps({"columns": columns, "index": list(rows), "data": data})
    return {"_module": "pandas.core.frame", "_class": "DataFrame", "_object": text, "orient": "split"}


def pandapower() -> str:
    """Three buses, two lines with a switch, a transformer's worth of nothing else."""
    ohm = {"r_ohm_per_km": 0.25, "x_ohm_per_km": 0.125, "c_nf_per_km": 300.0, "g_us_per_km": 0.0, "max_i_ka": 0.4}
    line = {"length_km": 2.0, **ohm, "df": 1.0, "parallel": 1, "in_service": True}
    load = {"p_mw": 1.2, "q_mvar": 0.4, "scaling": 1.0, "in_service": True}
    items = {
        "bus": _table({i: {"name": f"n{i}", "vn_kv": 10.0, "in_service": True} for i in (4, 7, 9)}),
        "line": _table({0: {"from_bus": 4, "to_bus": 7, **line}, 1: {"from_bus": 9, "to_bus": 7, **line}}),
        "load": _table({0: {"bus": 7, **load}, 1: {"bus": 9, **load}}),
        "shunt": _table({0: {"bus": 9, "p_mw": 0.01, "q_mvar": -0.3, "vn_kv": 9.5, "step": 2, "in_service": True}}),
        "switch": _table({0: {"bus": 4, "element": 0, "et": "l", "closed": True}}),
        "ext_grid": _table({0: {"bus": 4, "vm_pu": 1.0, "va_degree": 0.0, "in_service": True}}),
        "f_hz": 50.0,
        "name": "",
    }
    return json.dumps({"_module": "pandapower.auxiliary", "_class": "pandapowerNet", "_object": items}, indent=1)


MPS = """NAME moore90
ROWS
 N cost
 L R1
 L R2
 L R3
 G R4
COLUMNS
 X cost -1 R1 -25
 X R2 1 R3 2
 X R4 2
 Y cost -10 R1 20
 Y R2 2 R3 -1
 Y R4 10
RHS
 RHS R1 30 R2 10
 RHS R3 15 R4 15
BOUNDS
 UP B X 20
 UP B Y 20
ENDATA
"""
AUX = """@NUMVARS
1
@NUMCONSTRS
4
@VARSBEGIN
Y 1.
@VARSEND
@CONSTRSBEGIN
R1
R2
R3
R4
@CONSTRSEND
@NAME
moore
@MPS
moore.mps
"""
OPTIMUM = -18.0
"""Of the problem in `MPS` and `AUX` (Moore and Bard 1990, without integrality)."""
