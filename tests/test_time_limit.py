"""A test that hangs fails by its name, under the project's own settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HANGS = """
import time

def test_of_python():
    time.sleep(300)

def test_of_c():
    sum(range(10**13))

def test_afterwards():
    pass
"""


def test_a_test_that_hangs_fails_by_name_in_python_and_in_c(tmp_path: Path) -> None:
    (tmp_path / "test_hangs.py").write_text(HANGS, encoding="utf-8")
    settings = ("-c", ROOT / "pyproject.toml", "--rootdir", tmp_path, "-p", "no:cacheprovider", "-n", "1")
    seconds = ("-o", "timeout=2", "-o", "faulthandler_timeout=4")
    command = [sys.executable, "-m", "pytest", *settings, *seconds, tmp_path / "test_hangs.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    said = done.stdout
    assert done.returncode == 1 and "2 failed, 1 passed" in said, said + done.stderr
    assert "test_of_python" in said and "Timeout (>2.0s)" in said
    assert "crashed while running 'test_hangs.py::test_of_c'" in said
