"""Tables of results: names as they stand, cells by their column, refusals with line and column; and what is drawn of them."""

from __future__ import annotations

import csv
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runs import Capture, refuse
from hypothesis import given
from hypothesis import strategies as st

from bilevel.errors import BilevelError
from studies import page as studies_page
from studies.command_line import main
from studies.page.panels import schedule
from studies.page.parts import feeder_drawing, svg
from studies.page.parts.feeder_drawing import Feeder, layout
from studies.results_files import columns, table_file
from studies.results_files.refusals import DamagedFileError

Rows = list[list[str]]
NAMES = (
    "NA", "nan", "null", "None", "01", "1.0", "True", "", " ", "<script>alert(1)</script>", '"quoted", & \'so\'', "\\input{x}_$%",
    "é", "=cmd()",
)  # fmt: skip


def rewritten(path: Path, change: Callable[[Rows], None]) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    change(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def renamed(folder: Path, old: str, new: str) -> None:
    """Give a station another name in every table."""
    for path in folder.glob("*.csv"):

        def change(rows: Rows) -> None:
            rows[:] = [
                [new if cell == old else cell.replace(f"price_{old}_", f"price_{new}_") for cell in row] for row in rows
            ]

        rewritten(path, change)


def a_station(folder: Path) -> str:
    with (folder / "feeder.csv").open(encoding="utf-8", newline="") as file:
        return next(row["stations"] for row in csv.DictReader(file) if row["stations"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["solve", "pareto"])
def test_a_station_of_any_name_has_its_charging(name: str, kind: str, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(folders[kind], folder)
    old = a_station(folder)
    before = studies_page.page(studies_page.read(folder)).html
    if kind == "solve":
        power = schedule.solved(studies_page.read(folder))
        charged = power.loc[power["station"] == old, "power_kw"].sum()
    renamed(folder, old, name)
    results = studies_page.read(folder)
    page = studies_page.page(results).html
    assert "<script>alert" not in page and page.count("</script>") == before.count("</script>")
    # Every number of the tables is as it was
    cells = r'<td class="n">([^<]*)</td>'
    assert re.findall(cells, page) == re.findall(cells, before)
    if kind == "solve":
        power = schedule.solved(results)
        assert power.loc[power["station"] == name, "power_kw"].sum() == charged > 0


DAMAGE: list[tuple[str, str, Callable[[Rows], None], str]] = [
    ("solve", "charging.csv", lambda rows: rows[1].__setitem__(4, "1_000"), "'power_kw' is '1_000', expected a finite number"),
    ("solve", "charging.csv", lambda rows: rows[1].__setitem__(4, "\u0661"), "line 2: 'power_kw' is"),
    ("solve", "charging.csv", lambda rows: rows[1].__setitem__(4, "inf"), "line 2: 'power_kw' is 'inf'"),
    ("solve", "charging.csv", lambda rows: rows[1].__setitem__(4, ""), "line 2: 'power_kw' is ''"),
    ("solve", "charging.csv", lambda rows: rows[1].__setitem__(3, "1.5"), "line 2: 'period' is '1.5', expected a whole number"),
    ("solve", "charging.csv", lambda rows: rows[1].__setitem__(1, "other"), "station 'other' has no column in prices.csv"),
    ("solve", "charging.csv", lambda rows: rows.insert(2, list(rows[1])), "line 3: the row repeats an earlier one: session"),
    ("solve", "charging.csv", lambda rows: rows[2].append("1"), "line 3: the row has 9 cells, and the head 8"),
    ("solve", "charging.csv", lambda rows: rows[0].__setitem__(5, "station"), "line 1: column 'station' stands twice"),
    ("solve", "prices.csv", lambda rows: rows.__delitem__(1), "line 2: period is 1, and there is no row with period 0"),
    ("solve", "voltages.csv", lambda rows: rows.__delitem__(2), "there is no row with period 0, bus"),
    ("solve", "feeder.csv", lambda rows: rows[1].__setitem__(1, rows[-1][0]), "is the first and has the parent"),
    ("solve", "feeder.csv", lambda rows: rows[2].__setitem__(1, ""), "line 3: bus"),
    ("solve", "feeder.csv", lambda rows: rows[2].__setitem__(1, "no such"), "line 3: the parent 'no such' of bus"),
    ("solve", "feeder.csv", lambda rows: rows[2].__setitem__(1, rows[2][0]), "comes after it or leads in a circle"),
    ("pareto", "points.csv", lambda rows: rows.__delitem__(1), "there is no row with point 1, period 0, station"),
    ("pareto", "fronts.csv", lambda rows: rows[1].__setitem__(6, "yes"), "line 2: 'certified' is 'yes', expected True or False"),
    ("equilibrium", "trace.csv", lambda rows: rows[1].__setitem__(1, "NA"), "line 2: 'residual' is 'NA'"),
    ("security", "security.csv", lambda rows: rows[1].__setitem__(1, "feasible"), "margin_per_kwh 0.0 has the status 'feasible'"),
    ("compare-equilibrium", "comparison.csv", lambda rows: rows[2].__setitem__(2, "inf"), "line 3: distance_least is"),
    ("compare-equilibrium", "comparison.csv", lambda rows: rows[1].__setitem__(3, "-inf"), "line 2: distance_most is"),
    ("compare-equilibrium", "comparison.csv", lambda rows: rows[2].__setitem__(5, "inf"), "line 3: distance_most is inf"),
    ("compare-equilibrium", "comparison.csv", lambda rows: rows[1].__setitem__(1, "1e6"), "line 2: distance_"),
    ("market", "comparison.csv", lambda rows: rows.__delitem__(1), "way 'exact' has no row, and the status"),
    ("compare", "convergence.csv", lambda rows: rows[1].__setitem__(3, "1e999"), "line 2: 'median' is '1e999'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name", "change", "said"), DAMAGE, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_damaged_table_is_refused_with_its_line(
    kind: str,
    name: str,
    change: Callable[[Rows], None],
    said: str,
    folders: dict[str, Path],
    tmp_path: Path,
    capsys: Capture,
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(folders[kind], folder)
    rewritten(folder / name, change)
    refuse(capsys, ["report", folder, "--out", tmp_path / "page.html", "--quiet"], name, said, "again")


def test_every_table_that_a_page_reads_is_declared(folders: dict[str, Path]) -> None:
    unread = re.compile(r"(certificate|network|scenario_network|runs|front)(_\w+)?\.csv")
    for kind, folder in folders.items():
        for path in folder.glob("*.csv"):
            if not unread.fullmatch(path.name):
                table_file.read(path, columns.columns(kind.removesuffix(" over days"), path.name))


def test_a_column_of_another_place_is_found_by_its_name(folders: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    shutil.copy(folders["pareto"] / "points.csv", path)
    before = table_file.read(path, columns.TABLES["points.csv"])
    rewritten(path, lambda rows: rows.__setitem__(slice(None), [row[::-1] for row in rows]))
    assert table_file.read(path, columns.TABLES["points.csv"]).equals(before)


def test_a_byte_that_is_no_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "feeder.csv"
    path.write_bytes(b"bus,parent,voltage_min_pu,voltage_max_pu,stations\n1,,0.9,1.1,\n2,1,0.9,1.1,\xff\n")
    with pytest.raises(DamagedFileError, match=r"feeder\.csv, line 3: byte 74 is no UTF-8"):
        table_file.read(path, columns.TABLES["feeder.csv"])


# Drawing


def chain(depth: int) -> Feeder:
    return Feeder(tuple(map(str, range(depth))), tuple(range(-1, depth - 1)), {depth - 1: "last"})


def test_a_feeder_of_ten_thousand_buses_in_a_row_is_drawn() -> None:
    assert layout(chain(10_000)).depth[-1] == 9_999
    assert feeder_drawing.drawing(chain(10_000), None, [], "deep").startswith("<svg")


@pytest.mark.parametrize(
    "parent",
    [(0, 0), (1, 0), (-1, -1), (-1, 2, 1), (-1, 1), (-1, 7), (-1, -2)],
    ids=["its own parent", "a circle at the root", "two roots", "a circle", "itself", "unknown", "below -1"],
)
def test_what_is_no_radial_feeder_is_refused(parent: tuple[int, ...]) -> None:
    with pytest.raises(BilevelError, match="give the substation first"):
        layout(Feeder(tuple(f"b{k}" for k in range(len(parent))), parent, {}))


def test_a_bus_that_stands_twice_is_refused() -> None:
    with pytest.raises(BilevelError, match="bus 'a' stands twice"):
        layout(Feeder(("a", "b", "a"), (-1, 0, 1), {}))


doubles = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from(
    [1e308, -1e308, sys.float_info.max, -sys.float_info.max, 5e-324, -5e-324, 1e-320, 0.0, -0.0, 1.0]
)


@given(st.lists(st.tuples(doubles, doubles), min_size=1, max_size=12), st.booleans(), st.booleans())
def test_lines_of_any_doubles_stay_on_the_plot(points: list[tuple[float, float]], step: bool, log: bool) -> None:
    xs, ys = zip(*sorted(points, key=str), strict=True)
    drawn = svg.lines([svg.Series("a", xs, ys)], "t", "x", "y", step, log)
    assert not re.search(r'="[^"]*\b(nan|inf)\b', drawn)
    for pair in " ".join(re.findall(r'points="([^"]+)"', drawn)).split():
        x, y = map(float, pair.split(","))
        assert svg.LEFT - 0.1 <= x <= svg.WIDTH - svg.RIGHT + 0.1
        assert svg.TOP - 0.1 <= y <= svg.HEIGHT - svg.BOTTOM + 0.1


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_any_finite_voltages_are_drawn(values: list[float]) -> None:
    limits = feeder_drawing.edges(values)
    assert limits == sorted(limits)
    assert all(0 <= feeder_drawing.shade(value, limits) < feeder_drawing.BINS for value in values)
    assert "inf" not in feeder_drawing.drawing(chain(len(values)), values, limits, "any")


def test_a_folder_whose_name_is_no_utf8_has_a_page(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xff"))
    try:
        shutil.copytree(folders["solve"], folder)
    except (OSError, UnicodeError):
        pytest.skip("the file system takes no names that are no UTF-8")
    assert main.run(["report", str(folder), "--out", str(tmp_path / "page.html"), "--quiet"]) == 0
    assert "from the folder r\ufffd" in (tmp_path / "page.html").read_text(encoding="utf-8")
