"""The wheel and the sdist hold what they must, and the wheel works away from the checkout.

The dependencies are those of the present environment; `make dist` tries the wheel in an empty one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = ("bilevel/py.typed", "bilevel/solvers/ipopt.opt", "instances/py.typed")


def run(*command: str | Path, folder: Path) -> str:
    """Standard output of a command that must end well, without the checkout on Python's path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel, built from the sdist, and the sdist."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, folder=out)
    return {"wheel": next(out.glob("*.whl")), "sdist": next(out.glob("*.tar.gz"))}


def shipped() -> set[str]:
    """Every file of the packages that is not made by running them."""
    packages = [ROOT / name for name in ("bilevel", "formulations", "instances", "studies")]
    files = [file for package in packages for file in package.rglob("*") if file.is_file()]
    return {file.relative_to(ROOT).as_posix() for file in files if "__pycache__" not in file.parts}


def test_the_wheel_holds_every_module_and_every_case(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built["wheel"]) as archive:
        names = set(archive.namelist())
    files = shipped()
    assert {name for name in files if name.startswith("instances/data/")} and set(DATA) <= files
    assert not files - names
    assert {name.partition("/")[0] for name in names} == {
        "bilevel",
        "formulations",
        "instances",
        "studies",
        "bilevel_grid-0.1.0.dist-info",
    }


def test_the_sdist_holds_tests_data_and_documents(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "CITATION.cff",
        "LICENSE",
        "Makefile",
        "pyproject.toml",
    ):
        assert name in names
    for folder, kind in (("tests", "*.py"), ("scripts", "*.py"), ("docs", "*.md"), ("notebooks", "*.ipynb")):
        files = {file.relative_to(ROOT).as_posix() for file in (ROOT / folder).rglob(kind)}
        assert files and not files - names
    assert not shipped() - names


def test_the_wheel_solves_a_case_from_another_folder(built: dict[str, Path], tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    target = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=tmp_path).strip())
    install = ("-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", built["wheel"])
    run(sys.executable, *install, folder=tmp_path)
    # Dependencies come after the installed wheel; `.pth` files of that folder, such as the checkout's, are not read
    (target / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    command = tmp_path / "venv" / "bin" / "bilevel"
    home = Path(run(python, "-c", "import instances; print(instances.__file__)", folder=tmp_path).strip())
    assert home.is_relative_to(tmp_path)
    assert run(command, "--version", folder=tmp_path).strip().endswith("0.1.0")
    listed = run(command, "cases", folder=tmp_path)
    for file in (ROOT / "instances" / "data").glob("*/instance.json"):
        assert file.parent.name in listed
    assert "certified" in run(command, "solve", "ieee33", "--evs", "5", "--out", "results", folder=tmp_path)
    assert (tmp_path / "results" / "solution.json").exists()
    feeders = run(
        python, "-c", "import instances as i; print([i.load_feeder(f) for f in i.list_feeders()])", folder=tmp_path
    )
    assert feeders.count("Feeder(") == len(list((ROOT / "instances" / "data" / "feeders").iterdir()))
