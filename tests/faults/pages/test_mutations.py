"""Whatever one change makes of a results folder, `bilevel report` ends with a page, or with one sentence and exit code 2."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.pages.conftest import WORDS
from faults.pages.mutations import Mutation, drawn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studies.command_line import main

EXAMPLES = 60
"""Of each kind of folders."""
LONGEST = 700
"""Characters of a refusal, paths included."""


def report(folder: Path, out: Path) -> tuple[int, str]:
    """Exit code of the command, and what it said on standard error."""
    out.unlink(missing_ok=True)
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = main.run(["report", str(folder), "--out", str(out), "--quiet"])
    return code, said.getvalue()


def check(folder: Path, out: Path) -> int:
    """Run the command, and hold what it may do."""
    code, said = report(folder, out)
    if code == 0:
        page = out.read_text(encoding="utf-8")
        assert page.startswith("<!DOCTYPE html>") and page.endswith("</html>\n") and said == ""
        assert "<script>alert" not in page
    else:
        assert code == 2, said
        assert said.startswith("bilevel: ") and said.count("\n") == 1 and len(said) < LONGEST, said
        assert not out.exists()
    return code


@contextlib.contextmanager
def changed(folder: Path, mutation: Mutation) -> Iterator[None]:
    kept = (folder / mutation.file).read_bytes()
    mutation.apply(folder)
    try:
        yield
    finally:
        (folder / mutation.file).write_bytes(kept)


@pytest.mark.parametrize("kind", list(WORDS))
def test_a_changed_folder_has_a_page_or_is_refused(kind: str, folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(folders[kind], folder)
    assert check(folder, tmp_path / "page.html") == 0
    codes = []

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def one(data: st.DataObject) -> None:
        with changed(folder, drawn(folder, lambda choices: data.draw(st.sampled_from(choices)))):
            codes.append(check(folder, tmp_path / "page.html"))

    one()
    assert set(codes) == {0, 2}
