"""Points that keep decisions: the network's exact state, and the exact response of followers with cones."""
