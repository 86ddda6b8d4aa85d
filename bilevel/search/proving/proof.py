"""The proof of an answer's bound, or why there is none; what the certificate says of it."""

from dataclasses import replace

import numpy as np

from bilevel.budget import Budget, OutOfTimeError
from bilevel.certify.proof.log import Proof
from bilevel.deadline import PhaseClock
from bilevel.errors import BilevelError
from bilevel.model import Check
from bilevel.reformulate.single_level import Reformulation
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
    form, found = answer.form, answer.found
    if form is None:
        return _told(answer, no_proof("the limits of the multipliers took all the time")), None
    if found.verdict and found.verdict != Status.INFEASIBLE:
        return _told(answer, no_proof(f"the verdict is {str(found.verdict)!r}, which is no bound")), None
    proof, line = checked_proof(form, found.objective, budget)
    if proof is not None and found.x is not None and not np.isfinite(proof.bound):
        proof, line = (
            None,
            no_proof("to the last digit there is no point, and the one that was found keeps rows by rounding"),
        )
    if proof is not None and np.isfinite(proof.bound):
        found.bound = form.program.sign * proof.bound
    return _told(answer, line), proof


def checked_proof(form: Reformulation, objective: float, budget: Budget) -> tuple[Proof | None, Check]:
    """A proof for a program whose best known objective (minimised, infinite without one) is this, and what is told of it."""
    budget.progress.phase("proving the bound")
    try:
        if budget.over():
            raise NoProofError("no time was left for it")
        proof = Proof.of(proof_of(form, objective, budget.gap, budget))
    except (NoProofError, BilevelError, OutOfTimeError) as error:
        return None, no_proof(str(error))
    return proof, line_of(proof)


def line_of(proof: Proof) -> Check:
    """What a certificate says of a proof that was checked."""
    what = f", margin {proof.margin:.1g}" if np.isfinite(proof.bound) else ": there is no point"
    told = f"{proof.leaves} leaves ({proof.empty} empty) checked in {proof.seconds:.2g} s{what}, nothing assumed"
    return Check(NAME, float(proof.leaves), None, "leaves", detail=told)


def no_proof(why: str) -> Check:
    """What a certificate says where there is none."""
    return Check(NAME, np.nan, None, "", detail=f"none: {why}")


def _told(answer: Answer, line: Check) -> Answer:
    return replace(answer, doubts=(*answer.doubts, line))
