"""The network of a feeder in per unit: topology, loads, the AC sweep."""
