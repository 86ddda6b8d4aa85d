"""The command `bilevel solve-file`, by its entry point, on files in the MPS and AUX formats."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest
from cli_runs import run
from file_faults.networks import AUX, MPS

from bilevel import verify


@pytest.fixture
def moore(tmp_path: Path) -> tuple[Path, Path]:
    mps, aux = tmp_path / "moore.mps", tmp_path / "moore.aux"
    mps.write_text(MPS)
    aux.write_text(AUX)
    return mps, aux


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1), slice(0, 1), slice(1, 2)])
def test_a_pair_of_files_is_solved_in_either_order_and_from_either_one(moore: tuple[Path, Path], order: slice) -> None:
    found = run("solve-file", *moore[order])
    assert found.returncode == 0, found.stderr
    assert "certified" in found.stdout and "-18" in found.stdout
    assert "1 of the leader, 1 of the follower" in found.stdout


@pytest.mark.parametrize("solver", ["highs", "scip"])
def test_the_result_folder_opens_in_other_tools(moore: tuple[Path, Path], tmp_path: Path, solver: str) -> None:
    out = tmp_path / "results"
    found = run("solve-file", *moore, "--out", out, "--quiet", "--solver", solver)
    assert found.returncode == 0 and not found.stdout and not found.stderr
    told = json.loads((out / "solution.json").read_text())
    assert told["status"] == "certified" and told["objective"] == pytest.approx(-18)
    assert told["settings"]["solver"] == solver and told["files"] == [str(path) for path in moore]
    table = pd.read_csv(out / "variables.csv").set_index("name")
    assert table.loc["X", "value"] == pytest.approx(8) and table.loc["X", "level"] == "leader"
    assert table.loc["Y", "value"] == pytest.approx(1) and table.loc["Y", "level"] == "follower"
    assert table["upper"].tolist() == [20, 20]
    assert pd.read_csv(out / "certificate.csv")["check"].str.contains("global gap").any()


def test_packed_files_are_read(moore: tuple[Path, Path], tmp_path: Path) -> None:
    packed = tmp_path / "again.mps.gz"
    packed.write_bytes(gzip.compress(MPS.encode()))
    (tmp_path / "again.aux.gz").write_bytes(gzip.compress(AUX.encode()))
    found = run("solve-file", packed)
    assert found.returncode == 0 and "-18" in found.stdout


def test_a_problem_without_a_point_has_its_exit_code_and_a_folder_without_values(
    moore: tuple[Path, Path], tmp_path: Path
) -> None:
    # The leader's own row asks for X of 9 at least, where the follower has no answer
    rows = MPS.replace(" G R4\n", " G R4\n G R5\n").replace(" X R4 2\n", " X R4 2 R5 1\n")
    moore[0].write_text(rows.replace("R4 15\n", "R4 15\n RHS R5 9\n"))
    out = tmp_path / "results"
    found = run("solve-file", *moore, "--out", out)
    assert found.returncode == 4 and "infeasible" in found.stdout
    assert pd.read_csv(out / "variables.csv")["value"].isna().all()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["moore.lp"], "moore.lp is no file of a known format by its suffix: give an .mps and an .aux file"),
        (["moore.mps", "other.mps"], "are two .mps files: give one, and one .aux"),
        (["lonely.mps"], "lonely.aux, which tells the follower of lonely.mps, is not there: name it as well"),
        (["missing.mps", "moore.aux"], "missing.mps cannot be read: No such file"),
        ([], "Missing argument 'FILE...'"),
    ],
)
def test_files_that_do_not_fit_are_refused_in_one_sentence(
    moore: tuple[Path, Path], files: list[str], said: str
) -> None:
    found = run("solve-file", *files, cwd=moore[0].parent)
    assert found.returncode == 2 and not found.stdout
    assert said in found.stderr and found.stderr.count("\n") == 1


def test_a_folder_of_other_files_is_left_alone(moore: tuple[Path, Path], tmp_path: Path) -> None:
    found = run("solve-file", *moore, "--out", tmp_path)
    assert found.returncode == 2 and "moore" in found.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["moore.aux", "moore.mps"]


def test_help_has_an_example() -> None:
    assert "Example: bilevel solve-file moore.mps moore.aux" in run("solve-file", "--help", columns=200).stdout


def test_a_proof_is_written_and_checked_against_the_files(
    moore: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = tmp_path / "moore.proof.json.gz"
    done = run("solve-file", *moore, "--proof", proof)
    assert done.returncode == 0 and "bound proof" in done.stdout
    assert verify.main([str(proof), *map(str, moore)]) == 0
    out = capsys.readouterr().out
    assert float(out.split("bound ")[1].split()[0]) == pytest.approx(-18, rel=1e-4) and "assumed: nothing" in out
    moore[0].write_text(MPS.replace("R1 30", "R1 31"))
    assert verify.main([str(proof), *map(str, moore)]) == 2
    assert "is of another problem than" in capsys.readouterr().err
    assert verify.main([str(proof), str(moore[0])]) == 2


@pytest.mark.parametrize("place", ["proof.txt", "none/proof.json", "."])
def test_places_where_no_proof_can_be_written_are_refused_before_the_solve(
    moore: tuple[Path, Path], tmp_path: Path, place: str
) -> None:
    done = run("solve-file", *moore, "--proof", tmp_path / place)
    assert done.returncode == 2 and "proof" in done.stderr and "certified" not in done.stdout
