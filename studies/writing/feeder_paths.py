"""A feeder laid out as paths: the longest one from the substation, then its laterals."""

import numpy as np

from instances import Network

MOST_LATERALS = 12


def feeder_paths(network: Network) -> list[np.ndarray]:
    """Bus positions of the longest path from the substation, then of each lateral, every one followed by its own."""
    count = len(network.buses)
    children = network.children
    height = np.zeros(count, dtype=int)
    for bus in range(count - 1, 0, -1):
        up = int(network.parent[bus])
        height[up] = max(height[up], height[bus] + 1)
    paths, heads = [], [0]
    while heads:
        path, bus = [], heads.pop()
        laterals: list[int] = []
        while True:
            path.append(bus)
            if not children[bus]:
                break
            following = max(children[bus], key=lambda child: int(height[child]))
            laterals += [child for child in children[bus] if child != following]
            bus = following
        heads += laterals[::-1]
        paths.append(np.array(path))
    return paths
