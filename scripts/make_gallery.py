"""Make the tables and figures of docs/gallery from nothing: six runs, two at a time, in results/gallery; 10 minutes on 2 cores.

    python scripts/make_gallery.py --keep     # the pages from the results that are there; without it every run is made anew

Bounds are proven where that can be done, and every proof is checked by `python -m bilevel.verify`: what it says is in
results/gallery/verified.
What stands in a page between `<!-- made: NAME -->` and `<!-- end -->` is written anew.
"""

import argparse
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gallery_blocks import BLOCKS

ROOT = Path(__file__).resolve().parents[1]
PAGES, RESULTS = ROOT / "docs/gallery", Path("results/gallery")
MARKED = re.compile(r"(<!-- made: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
RUNS = {"x23": "scripts/tables_x23.py --runs 5", "z19": "scripts/table_z19.py --evs 10 --runs 3 --time-limit 150",
        "credit": "scripts/credit_days.py --seeds 3", "market": "-m bilevel market ieee33_aggregator",
        "front": "-m bilevel pareto ieee33 --evs 20 --points 7",
        "pricing": "-m bilevel solve ieee33 --evs 20 --objective loss=1,profit=1"}  # fmt: skip
FIGURES = ("x23/weekday_*.png", "x23/weekend_costs.png", "credit/*.png", "market/*.png", "front/*.png", "pricing/*.png")
PROVING = {"market": f"--proof {RESULTS}/proofs/market.json.gz", "front": f"--proofs {RESULTS}/proofs/front",
           "pricing": f"--proof {RESULTS}/proofs/pricing.json.gz"}  # fmt: skip
"""Tables of [X23] ask for proofs by themselves."""

REPORTING = (f"-m bilevel report {RESULTS}/front --out {RESULTS}/report.html",
             f"scripts/shoot_report.py {RESULTS}/report.html --out docs/gallery/report.png --height 1800")  # fmt: skip


def python(command: str) -> None:
    subprocess.run([sys.executable, *command.split()], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    print("done:", command, flush=True)


def verify(results: Path) -> None:
    """Check every proof of the runs in a process that loads no solver; raises `CalledProcessError` where one is refused."""
    told = results / "verified"
    shutil.rmtree(told, ignore_errors=True)
    told.mkdir()
    for proof in sorted([*(results / "proofs").rglob("*.json.gz"), *results.glob("x23/*_proof.json.gz")]):
        command = [sys.executable, "-m", "bilevel.verify", str(proof)]
        said = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
        name = proof.name.removesuffix(".json.gz")
        (told / f"{name if proof.parent.name == 'proofs' else f'{proof.parent.name}-{name}'}.txt").write_text(said)


def screenshot() -> None:
    try:
        for command in REPORTING:
            python(command)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no new docs/gallery/report.png: {error}; the command `bilevel report` and Chromium make it")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="make no run anew")
    if not parser.parse_args().keep:
        shutil.rmtree(ROOT / RESULTS, ignore_errors=True)
        (ROOT / RESULTS / "proofs").mkdir(parents=True)
        commands = (f"{command} --out {RESULTS / name} {PROVING.get(name, '')}" for name, command in RUNS.items())
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(python, commands))
    verify(ROOT / RESULTS)
    (PAGES / "figures").mkdir(parents=True, exist_ok=True)
    for file in (file for kind in FIGURES for file in (ROOT / RESULTS).glob(kind)):
        shutil.copy(file, PAGES / "figures")
    for page in PAGES.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        page.write_text(MARKED.sub(lambda m: m[1] + BLOCKS[m[2]](ROOT / RESULTS, RUNS) + m[3], text), encoding="utf-8")
    screenshot()


if __name__ == "__main__":
    main()
