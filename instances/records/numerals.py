"""Numbers in texts, as every tool writes them: Python alone would also take 1_000 and digits of other scripts."""

from __future__ import annotations

__all__ = ["decimal", "whole"]


def decimal(text: str) -> float:
    """Return the number that a text holds, or raise `ValueError`; "nan" and "inf" are numbers here."""
    return float(_plain(text))


def whole(text: str) -> int:
    """Return the whole number that a text holds, or raise `ValueError`."""
    return int(_plain(text))


def _plain(text: str) -> str:
    """Return the text, or raise `ValueError` where it has signs that no number is written with."""
    if "_" in text or not text.isascii():
        raise ValueError(f"{text!r} is no number")
    return text
