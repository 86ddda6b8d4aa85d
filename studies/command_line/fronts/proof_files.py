"""The folder of a front's proofs: a file a point, and one an end."""

import os
import re
from pathlib import Path

from bilevel.errors import BilevelError
from bilevel.front.pareto_front import ParetoFront
from bilevel.search.proving import proof as proving
from studies.command_line.refusals import output

_PROOF = re.compile(r"(point-\d{3,4}|least_limited|most_maximized)\.json\.gz|\..*\.json\.gz\..*")
"""Files of proofs, and what a write that was killed leaves of one."""


def check(folder: Path | None) -> None:
    """Refuse a folder with other files than proofs, before the work; raises `BilevelError`."""
    if folder is None or not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise BilevelError(f"{str(folder)!r} is no folder: give one for the proofs")
    if other := [file.name for file in folder.iterdir() if not _PROOF.fullmatch(file.name)]:
        raise BilevelError(
            f"folder {str(folder)!r} holds {other[0]!r}, which is no proof: give another one for the proofs"
        )


def write(front: ParetoFront, folder: Path | None) -> None:
    """A file a point, in the order of the front, and one an end; says which of them have none, and why."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if _PROOF.fullmatch(old.name):
            old.unlink()
    bounds = [(end, front.end_proofs.get(end), [check]) for end, check in front.end_checks.items()]
    bounds += [(f"point-{k:03}", p.proof, [*p.certificate.checks]) for k, p in enumerate(front.points, 1)]
    for name, proof, checks in bounds:
        if proof is None:
            why = [check.detail for check in checks if check.name == proving.NAME]
            output.remark(f"no proof was written for {name}: {', '.join(why)}")
        else:
            proof.write(folder / f"{name}.json.gz")
