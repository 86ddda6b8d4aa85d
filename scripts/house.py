"""The house in figures, read from its files: rooms, floors, the longest file and function, arrows that point up, circles.

    python scripts/house.py                      # this checkout
    python scripts/house.py --beside REVISION    # and an earlier revision of it
    python scripts/house.py --picture docs/img/house.svg

A room is a folder; floors are the longest chain of imports within a package.  An arrow points up where a package imports one above
it (`LAYERS`), or a room of a package one that stands after it in `ROOMS`.  Between a room and one within it files decide.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import house_graph
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Print the table, and draw the picture where one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", metavar="REVISION", help="a revision whose figures stand beside, such as 8b29b88")
    parser.add_argument("--picture", metavar="FILE.svg", type=Path, help="draw the rooms and their arrows")
    chosen = parser.parse_args()
    now = house_graph.read(ROOT)
    houses = {"now": now}
    if chosen.beside:
        houses[chosen.beside] = _earlier(chosen.beside)
    Console(width=150).print(_table(houses))
    for line in now.faults():
        print(line)
    if chosen.picture:
        chosen.picture.write_text(house_graph.picture(now), encoding="utf-8")


def _earlier(revision: str) -> house_graph.House:
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        return house_graph.read(Path(folder))


def _table(houses: dict[str, house_graph.House]) -> Table:
    table = Table("package", "revision", box=None, pad_edge=False)
    for head in house_graph.FIGURES:
        table.add_column(head, justify="right")
    for package in house_graph.LAYERS:
        for revision, house in houses.items():
            figures = house.figures(package)
            if figures:
                table.add_row(package, revision, *map(str, figures.values()))
    return table


if __name__ == "__main__":
    main()
