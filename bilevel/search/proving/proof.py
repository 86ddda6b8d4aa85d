"""The proof of an answer's bound, or why there is none; what the certificate says of it."""

from dataclasses import replace

import numpy as np

from bilevel.budget import Budget, OutOfTimeError
from bilevel.certify.proof.log import Proof
from bilevel.deadline import PhaseClock
from bilevel.errors import BilevelError
from bilevel.model import Check
from bilevel.search.attempts import Answer
from bilevel.search.proving.leaves import proof_of
from bilevel.search.proving.log import NoProofError
from bilevel.status import Status

NAME = "bound proof"


def proven(answer: Answer, budget: Budget, clock: PhaseClock) -> tuple[Answer, Proof | None]:
    """The answer with the bound that a proof proves in place of the solver's, and a line of the certificate that tells of it."""
    clock.end("compile", "solve")
    try:
        return _proven(answer, budget)
    finally:
        clock.end("prove")


def _proven(answer: Answer, budget: Budget) -> tuple[Answer, Proof | None]:
    budget.progress.phase("proving the bound")
    form, found = answer.form, answer.found
    try:
        if form is None:
            raise NoProofError("the limits of the multipliers took all the time")
        if budget.over():
            raise NoProofError("no time was left for it")
        if found.verdict and found.verdict != Status.INFEASIBLE:
            raise NoProofError(f"the verdict is {str(found.verdict)!r}, which is no bound")
        proof = Proof.of(proof_of(form, found.objective, budget.gap, budget))
        if found.x is not None and not np.isfinite(proof.bound):
            raise NoProofError(
                "to the last digit the problem has no point, and the one that was found keeps it by rounding"
            )
    except (NoProofError, BilevelError, OutOfTimeError) as error:
        return replace(answer, doubts=(*answer.doubts, Check(NAME, np.nan, None, "", detail=f"none: {error}"))), None
    if np.isfinite(proof.bound):
        found.bound = form.program.sign * proof.bound
    told = f"{proof.leaves} leaves ({proof.empty} empty) checked in {proof.seconds:.2g} s, nothing assumed"
    return replace(
        answer, doubts=(*answer.doubts, Check(NAME, float(proof.leaves), None, "leaves", detail=told))
    ), proof
