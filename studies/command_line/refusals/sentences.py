"""Refusals of every kind as one sentence of a length that people read."""

MOST_SAID = 580
"""Characters of a refusal: the first of these name the object and its value, the last the remedy."""
MEMORY = (
    "memory is exhausted: give fewer sessions by --evs, a case of fewer and longer periods, fewer --workers, or a machine with "
    "more memory"
)


MOST_SHOWN = 60
"""Characters of a value: of longer ones the first and the last."""


def shown(text: object) -> str:
    """A value in a refusal, without its middle where it is long."""
    said = str(text)
    return said if len(said) <= MOST_SHOWN else f"{said[: MOST_SHOWN // 2]}...{said[-MOST_SHOWN // 2 :]}"


def sentence(refusal: object) -> str:
    """One line, cut in the middle where it is long."""
    # Signs that no terminal prints would move its cursor or hide what follows
    said = " ".join("".join(letter if letter.isprintable() else " " for letter in str(refusal)).split())
    return said if len(said) <= MOST_SAID else f"{said[: MOST_SAID // 2 - 3]} ... {said[-MOST_SAID // 2 :]}"


def of_system(error: OSError) -> str:
    """What the system refuses, with the file where it names one."""
    return f"{error.filename or 'the system'}: {error.strerror or error}; check the path, its permissions and the space on the disk"
