"""The words in which answers are given: of a solve, of a solver, of a check; each with a sentence that says what it means."""

from enum import StrEnum
from typing import Literal, Self

_OLD = {
    "unattained": "not_attained",
    "limit": "time_limit",
    "unclear": "infeasible_or_unbounded",
    "failed": "numerical_error",
}
"""Words that older versions wrote, and those of today."""


class Word(StrEnum):
    """A word of a fixed list: it equals its text and is shown as such; `sentence` says what it means and what to do."""

    sentence: str

    def __new__(cls, word: str, sentence: str) -> Self:
        """The member for a word."""
        member = str.__new__(cls, word)
        # The value is the word alone: files hold it, and know no sentences
        member._value_, member.sentence = word, sentence
        return member

    def __repr__(self) -> str:
        return str.__repr__(self)

    @classmethod
    def read(cls, text: str) -> Self:
        """The member of a text from a file, older words for it too; raises `ValueError` where there is none."""
        word = _OLD.get(text, text)
        for member in cls:
            if member == word:
                return member
        raise ValueError(f"{text!r} is no {cls.__name__}: one of {', '.join(cls)}")


class Status(Word):
    """How a solve ended: what stands about its point, and about its being the best.

    `Status.NOT_ATTAINED.sentence` says what a status means and what can be done; `Status.read` also takes what older versions wrote
    ("unattained").  A status is a string: `solution.status == "certified"`.
    """

    CERTIFIED = (
        "certified",
        "every check of the certificate passes: the point is valid, and proven to be the best within the gap",
    )
    CONDITIONAL = (
        "conditional",
        "the point is valid, and the best if an assumption holds that `reason` names: confirm it, or give tighter variable bounds",
    )
    FEASIBLE = (
        "feasible",
        "the point is valid, and not proven to be the best: give more time, or take it with what `bound` and `gap` leave open",
    )
    NOT_ATTAINED = (
        "not_attained",
        "the point is valid, and there is no best, as no decision attains the bound: give bounds to variables without, or take it",
    )
    REJECTED = (
        "rejected",
        "the point fails its recheck, and must not be used: look at the check that `reason` names",
    )
    INFEASIBLE = (
        "infeasible",
        "it is proven that there is no point: relax a row or a bound that `reason` or the certificate names",
    )
    UNBOUNDED = (
        "unbounded",
        "it is proven that the leader's objective has no end: bound the variables that it grows with",
    )
    UNKNOWN = (
        "unknown",
        "no point was found, and it is not proven that there is none: give more time, or another solver or mode",
    )


Verdict = Status | Literal[""]
"""What is proven where there is no point, "infeasible" or "unbounded"; or that a point's bound is not attained; else ""."""


class SolverStatus(Word):
    """Why a solver session stopped: a claim of the solver's, which no certificate reads."""

    OPTIMAL = "optimal", "the solver calls its point optimal within the gap asked for: the certificate rechecks it"
    INFEASIBLE = "infeasible", "the solver finds no point: a verdict needs a proof of its own"
    UNBOUNDED = "unbounded", "the solver finds no end of the objective: bound the columns that it grows with"
    INFEASIBLE_OR_UNBOUNDED = (
        "infeasible_or_unbounded",
        "the solver finds one of both and not which: without an objective it can only be infeasible",
    )
    TIME_LIMIT = "time_limit", "the time or the steps allowed are spent: point and bound are what there was, give more"
    INTERRUPTED = "interrupted", "the user asked to stop: point and bound are what there was"
    NUMERICAL_ERROR = (
        "numerical_error",
        "the solver gave up, or its answer contradicts itself: scale the model, or take another solver",
    )


class CheckKind(Word):
    """What a check of a certificate is about, and so what follows where it fails.

    A check is one of validity, the strictest, unless it says otherwise.  Where several fail, the strictest decides.
    """

    VALIDITY = (
        "validity",
        "the point is feasible, physical, and what followers answer: where it fails, the point is rejected",
    )
    PROOF = "proof", "there is no point, or no end: where it fails, the verdict is not proven, and the status unknown"
    OPTIMALITY = "optimality", "nothing is better by more than the gap: where it fails, a valid point is feasible only"
    ASSUMPTION = (
        "assumption",
        "nothing is taken for granted: where it fails, the answer is conditional on what it names",
    )
    REPORT = "report", "nothing has to hold: the check has no tolerance and never fails"
