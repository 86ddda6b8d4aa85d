"""Bilevel problems as files: MPS for both levels together, and an AUX file (format of MibS) that lists what is the follower's."""

from bilevel.interchange.mps_reader import read_mps
from bilevel.interchange.mps_writer import write_mps

__all__ = ["read_mps", "write_mps"]
