"""A PNG of a page that `bilevel report` wrote, taken by a headless Chromium or Chrome.

    python scripts/shoot_report.py report.html --out report.png --width 1120 --height 1800

Takes the browser in BROWSER, or else the first of chromium, chromium-browser, google-chrome and chrome on the path.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1")
SECONDS = 60


def browser() -> str | None:
    """The path of a browser, None where there is none."""
    named = os.environ.get("BROWSER")
    return next((found for name in ([named] if named else BROWSERS) if (found := shutil.which(name))), None)


def shoot(page: Path, out: Path, width: int, height: int) -> None:
    """Write the page's first `height` pixels as a PNG; raises `SystemExit` with a sentence where it cannot be done."""
    found = browser()
    if found is None:
        raise SystemExit(f"no browser: install one of {', '.join(BROWSERS)}, or name one in BROWSER")
    if not page.is_file():
        raise SystemExit(f"{page} is no file: write it with 'bilevel report DIR --out {page}'")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        command = [found, *OPTIONS, f"--user-data-dir={profile}", f"--window-size={width},{height}",
                   f"--screenshot={out.resolve()}", page.resolve().as_uri()]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode or not out.is_file():
        raise SystemExit(f"{found} took no picture of {page}: {done.stderr.strip()[-300:]}")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--out", type=Path, default=Path("report.png"))
    parser.add_argument("--width", type=int, default=1120)
    parser.add_argument("--height", type=int, default=1800)
    given = parser.parse_args(arguments)
    shoot(given.page, given.out, given.width, given.height)


if __name__ == "__main__":
    main(sys.argv[1:])
