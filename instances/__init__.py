"""Cases of distribution feeders with charging stations: frozen, validated data in kW, kWh and currency.

>>> import instances
>>> case = instances.load("ieee33")
>>> network = instances.Network.from_feeder(case.feeder)
>>> round(float(instances.ac_power_flow(network, network.load_kw, network.load_kvar).loss_kw), 3)
202.677
"""

from instances.aggregation import Group, aggregate
from instances.carbon import Carbon, Renewable
from instances.catalogue import feeder_sources, list_cases, list_feeders, load, load_feeder
from instances.errors import InstanceError
from instances.feeder_io import read_feeder, write_feeder
from instances.files import FILE_KINDS, read_file
from instances.fleet import scale, set_share, uncontrolled_load_kw
from instances.folder import check_folder, write_folder
from instances.generate import generate
from instances.io import read, write
from instances.loads import base_load_kvar, base_load_kw
from instances.market import Aggregator, Credit, Distance, Generator, Market, Reservation
from instances.matpower import read_matpower
from instances.network import Network
from instances.pandapower_json import read_pandapower
from instances.pandapower_net import from_pandapower
from instances.plausible import implausible
from instances.schema import (
    Branch,
    Bus,
    Feeder,
    Horizon,
    Instance,
    PriceLimits,
    Session,
    Source,
    Station,
)
from instances.sweep import PowerFlow, ac_power_flow
from instances.units import PerUnit

__all__ = [
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
    "Renewable",
    "Reservation",
    "Session",
    "Source",
    "Station",
    "ac_power_flow",
    "aggregate",
    "base_load_kvar",
    "base_load_kw",
    "check_folder",
    "feeder_sources",
    "from_pandapower",
    "generate",
    "implausible",
    "list_cases",
    "list_feeders",
    "load",
    "load_feeder",
    "read",
    "read_feeder",
    "read_file",
    "read_matpower",
    "read_pandapower",
    "scale",
    "set_share",
    "uncontrolled_load_kw",
    "write",
    "write_feeder",
    "write_folder",
]
