"""The sparse records between a Pyomo model and a solver: rows, cones, products, and the program of leader and followers."""
