"""Cases of distribution feeders with charging stations: frozen, validated data in kW, kWh and currency.

>>> import instances
>>> case = instances.load("ieee33")
>>> network = instances.Network.of(case.feeder)
>>> round(float(instances.ac_power_flow(network, network.load_kw, network.load_kvar).loss_kw), 3)
202.677
"""

from instances.files.case import CASE_FILES, read
from instances.files.catalogue import feeder_sources, list_cases, list_feeders, load, load_feeder
from instances.files.feeder import read_feeder, write_feeder
from instances.files.folder import check_folder, write_folder
from instances.fleet.aggregation import Group, aggregate
from instances.fleet.expected import expected_day
from instances.fleet.generate import generate
from instances.fleet.realise import merged, realise
from instances.fleet.scale import scale, set_share, uncontrolled_load_kw
from instances.fleet.willingness import charge_on_arrival
from instances.formats.matpower import read_matpower
from instances.formats.pandapower import from_pandapower
from instances.formats.pandapower_json import read_pandapower
from instances.formats.read import FILE_KINDS, read_file
from instances.grid.loads import base_load_kvar, base_load_kw
from instances.grid.network import Network
from instances.grid.plausible import implausible
from instances.grid.sweep import PowerFlow, ac_power_flow
from instances.grid.units import PerUnit
from instances.records.carbon import Carbon, Renewable
from instances.records.errors import InstanceError
from instances.records.market import Aggregator, Credit, Distance, Generator, Market, Reservation
from instances.records.scenarios import Scenario, Scenarios, Willing
from instances.records.schema import Branch, Bus, Feeder, Horizon, Instance, PriceLimits, Session, Source, Station
from instances.scenarios.days import scenario_sources
from instances.scenarios.draw import draw_scenarios
from instances.scenarios.folder import has_scenarios, read_scenarios, write
from instances.scenarios.reduce import Reduction, reduce_scenarios

__all__ = [
    "CASE_FILES",
    "FILE_KINDS",
    "Aggregator",
    "Branch",
    "Bus",
    "Carbon",
    "Credit",
    "Distance",
    "Feeder",
    "Generator",
    "Group",
    "Horizon",
    "Instance",
    "InstanceError",
    "Market",
    "Network",
    "PerUnit",
    "PowerFlow",
    "PriceLimits",
    "Reduction",
    "Renewable",
    "Reservation",
    "Scenario",
    "Scenarios",
    "Session",
    "Source",
    "Station",
    "Willing",
    "ac_power_flow",
    "aggregate",
    "base_load_kvar",
    "base_load_kw",
    "charge_on_arrival",
    "check_folder",
    "draw_scenarios",
    "expected_day",
    "feeder_sources",
    "from_pandapower",
    "generate",
    "has_scenarios",
    "implausible",
    "list_cases",
    "list_feeders",
    "load",
    "load_feeder",
    "merged",
    "read",
    "read_feeder",
    "read_file",
    "read_matpower",
    "read_pandapower",
    "read_scenarios",
    "realise",
    "reduce_scenarios",
    "scale",
    "scenario_sources",
    "set_share",
    "uncontrolled_load_kw",
    "write",
    "write_feeder",
    "write_folder",
]
