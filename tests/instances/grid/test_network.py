"""Orientation, incidence and per unit."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest

from instances import Bus, Instance, InstanceError, Network, PerUnit


def test_branches_point_away_from_the_substation(small: Instance) -> None:
    network = Network.from_feeder(small.feeder, PerUnit(100.0, 10.0))
    assert network.buses == ("a", "b", "c")
    assert dict(network.index) == {"a": 0, "b": 1, "c": 2}
    assert network.parent.tolist() == [-1, 0, 1]
    assert network.branch_names == ("a-b", "b-c")
    assert network.load_kw.tolist() == [0, 60, 40]
    np.testing.assert_allclose(network.resistance_pu, [0.0005, 0.001])
    np.testing.assert_allclose(network.reactance_pu, [0.00025, 0.0005])
    np.testing.assert_allclose(network.current_max_pu, [math.inf, 200 / (100 / (math.sqrt(3) * 10))])
    assert np.isinf(network.power_max_pu).all()


def test_the_order_of_the_data_does_not_matter(ieee33: Instance) -> None:
    feeder = replace(ieee33.feeder, buses=ieee33.feeder.buses[::-1], branches=ieee33.feeder.branches[::-1])
    one, other = Network.from_feeder(ieee33.feeder), Network.from_feeder(feeder)
    assert set(one.branch_names) == set(other.branch_names)
    assert [one.load_kw[one.index[bus]] for bus in other.buses] == other.load_kw.tolist()


def test_arrays_are_closed_for_writing(small: Instance) -> None:
    network = Network.from_feeder(small.feeder)
    with pytest.raises(ValueError, match="read-only"):
        network.load_kw[0] = 1.0
    assert pickle.loads(pickle.dumps(network)).buses == network.buses


def test_incidence_gives_the_net_withdrawal(ieee33: Instance) -> None:
    network = Network.from_feeder(ieee33.feeder)
    incidence = network.incidence().toarray()
    assert np.array_equal(incidence, np.triu(incidence))
    flow = np.random.default_rng(0).random(len(network.buses) - 1)
    expected = flow.copy()
    for child, parent in enumerate(network.parent.tolist()[1:]):
        if parent > 0:
            expected[parent - 1] -= flow[child]
    np.testing.assert_allclose(network.incidence() @ flow, expected)


def test_the_base_is_the_power_of_ten_nearest_to_the_load(ieee33: Instance, small: Instance) -> None:
    assert PerUnit.for_feeder(ieee33.feeder) == PerUnit(10_000.0, 12.66)
    idle = replace(small.feeder, buses=tuple(Bus(bus.name, 0, 0) for bus in small.feeder.buses))
    assert PerUnit.for_feeder(idle).base_kva == 1000.0


def test_conversions() -> None:
    bases = PerUnit(1000.0, 10.0)
    assert bases.base_ohm == pytest.approx(100.0)
    assert bases.base_current_a == pytest.approx(57.735026919)
    assert bases.power(500.0) == 0.5
    assert bases.kw(0.5) == 500.0
    assert bases.impedance(np.array([100.0, 50.0])).tolist() == [1.0, 0.5]
    assert bases.ampere(bases.current(33.0)) == pytest.approx(33.0)
    # Base power, voltage and current belong together: S = √3 U I
    assert math.sqrt(3) * bases.base_kv * bases.base_current_a == pytest.approx(bases.base_kva)


@pytest.mark.parametrize(("kva", "kv"), [(0.0, 1.0), (1.0, 0.0), (math.nan, 1.0), (1.0, math.inf)])
def test_bases_must_be_usable(kva: float, kv: float) -> None:
    with pytest.raises(InstanceError, match="the per-unit system has base_"):
        PerUnit(kva, kv)
