"""The notebooks: no outputs are kept in them, and each runs from top to bottom in a fresh kernel."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
BOOKS = sorted(FOLDER.glob("*.ipynb"))
# A limit of each cell on a busy machine, not a claim about its speed
CELL_SECONDS = 400


def test_there_is_one_notebook_a_paper() -> None:
    assert [book.name.partition("_")[0] for book in BOOKS] == ["x23", "yz", "z19"]


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_no_outputs_are_kept(book: Path) -> None:
    content = nbformat.read(book, as_version=4)
    nbformat.validate(content)
    for cell in content.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None, (
                "strip the outputs: jupyter nbconvert --clear-output"
            )


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_runs_from_top_to_bottom(book: Path, tmp_path: Path) -> None:
    content = nbformat.read(book, as_version=4)
    found = NotebookClient(content, timeout=CELL_SECONDS, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in found.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert any("image/png" in output.get("data", {}) for output in outputs), "no figure was drawn"
    assert any("text/html" in output.get("data", {}) for output in outputs), "no table was shown"
