"""Lines of a journal with the sum of what they say, so that a line that was changed or cut is known.

The sum is over the journal's first line and the line itself: a line of another run does not fit.  It guards against damage and
against edits by accident; whoever wants to forge a line can work out its sum.
"""

import base64
import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from bilevel.program.rows import Vector

_SUM = re.compile(rb', "sum": "([0-9a-f]{32})"\}$')
_NUMBER = "<f8"
"""Of one byte order, so that any machine can go on."""


def sealed(line: Mapping[str, Any], first: bytes) -> bytes:
    """A line as it is written, without its end: JSON with the member "sum".  `first` is the first line, b"" for that itself."""
    text = json.dumps(line).encode()
    return text[:-1] + b', "sum": "' + _sum(text, first) + b'"}'


def opened(text: bytes, first: bytes) -> tuple[Any, bool]:
    """What a line says, and whether it has a sum; raises `ValueError` for no JSON, and where the sum is of something else."""
    found = _SUM.search(text)
    content = text if found is None else text[: found.start()] + b"}"
    if found is not None and found[1] != _sum(content, first):
        raise ValueError("its sum is of something else")
    try:
        return json.loads(content.decode()), found is not None
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _sum(content: bytes, first: bytes) -> bytes:
    return hashlib.sha256(first + b"\n" + content).hexdigest()[:32].encode()


def number(text: str) -> float:
    """A number in hexadecimal, infinite ones included; raises `ValueError` for any other text."""
    try:
        return float.fromhex(text)
    except OverflowError as error:
        raise ValueError(str(error)) from error


def packed(values: Vector) -> str:
    """Numbers as text, bit by bit."""
    return base64.b64encode(zlib.compress(values.astype(_NUMBER).tobytes())).decode()


def unpacked(text: str, count: int | None) -> Vector:
    """The numbers of a text, `count` of them (None for any number); raises `ValueError` for any other text, and for NaN.

    A text that would unpack to more is not unpacked beyond what is asked for.
    """
    reader, most = zlib.decompressobj(), 0 if count is None else 8 * count + 1
    try:
        content = reader.decompress(base64.b64decode(text, validate=True), most)
    except (zlib.error, binascii.Error) as error:
        raise ValueError(f"its numbers are damaged ({error})") from error
    if not reader.eof or len(content) % 8 or (count is not None and len(content) != 8 * count):
        raise ValueError("it has another number of values than the model")
    values = np.frombuffer(content, dtype=_NUMBER).astype(float)
    if not np.isfinite(values).all():
        raise ValueError("its values are not all finite")
    return values
