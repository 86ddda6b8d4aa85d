"""Energy lost in the network over the horizon (docs/model.md section 5)."""

import numpy as np

from formulations.objectives.objective import Days, FloatArray, all_kwh
from instances import Instance

name, words, about = "loss", "network loss", "energy lost in the network"
expression, unit, sense = "network_loss", "kWh", 1

SHARE = 0.05
"""Losses count as this share of all energy where the size of the objective is asked for, in penalties."""


def achieved(days: Days) -> FloatArray:
    """Losses of n candidates, kWh (n,)."""
    return np.asarray(days.case.horizon.period_hours * days.loss_kw.sum(axis=1))


def size(case: Instance) -> float:
    """A share of all energy, kWh."""
    return SHARE * all_kwh(case)
