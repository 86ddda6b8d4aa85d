"""Reading a JSON file of results: strict JSON, its version, its model, and its claims."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from bilevel.errors import BilevelError
from studies.results_files import claims, places, versions
from studies.results_files.models import MODELS
from studies.results_files.refusals import DamagedFileError, field, shown

_WORDS = {
    "float": "a number", "int": "a whole number", "str": "text", "bool": "true or false", "null": "null",
    "object": "an object", "array": "a list",
}  # fmt: skip
_EXPECTED = re.compile(r"^Expected (.*?)(?:, got .*)?$")


def read(path: Path) -> dict[str, Any]:
    """What the file holds, as the newest version has it; which kind of file it is says its name.

    Raises `DamagedFileError` with line and field for what is no JSON, does not fit its model, or claims more than its numbers show.
    """
    text = decoded(path)
    data = _data(path, text)
    if not isinstance(data, dict):
        raise DamagedFileError(path, f"the file holds no JSON object, but {shown(data)}")
    if path.name == "solution.json" and "files" in data and "case" not in data:
        raise BilevelError(f"{path} is of 'bilevel solve-file', which has no page: give the folder of another command")
    newest = versions.newest(path, data)
    try:
        model = msgspec.convert(newest, MODELS[path.name])
    except msgspec.ValidationError as error:
        at = places.meant(newest, str(error))
        raise DamagedFileError(path, _said(newest, at, str(error)), places.line_of(text, at)) from error
    for at, sentence in claims.unbelieved(model):
        raise DamagedFileError(path, f"{sentence}: this is not believed", places.line_of(text, at))
    return newest


def decoded(path: Path) -> str:
    """The text of a file; raises `DamagedFileError` with the line where it is no UTF-8."""
    content = path.read_bytes()
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DamagedFileError(path, f"byte {error.start} is no UTF-8", line) from error


def _data(path: Path, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except RecursionError as error:
        raise DamagedFileError(path, "the file is nested deeper than any result is") from error
    except msgspec.ValidationError as error:
        raise DamagedFileError(path, f"a number is beyond what a double holds ({error})") from error
    except msgspec.DecodeError as error:
        raise DamagedFileError(path, *_malformed(text, str(error))) from error


def _malformed(text: str, said: str) -> tuple[str, int | None]:
    """What is wrong with a text that is no JSON, and its line where it is known: the standard library tells lines."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"the file is no JSON ({error.msg} in column {error.colno})", error.lineno
    except (ValueError, RecursionError):
        return f"the file is no JSON ({said})", None
    return f"the file is no JSON ({said}): a surrogate without its other half, or NaN", None


def _said(data: Any, at: tuple[Any, ...], complaint: str) -> str:
    """A message of msgspec in the words of a refusal."""
    value = data
    for step in at:
        value = value[step]
    complaint = complaint.partition(" - at `")[0]
    if lacking := re.search(r"missing required field `([^`]+)`", complaint):
        return f"{field(at)} has no field {lacking[1]!r}"
    expected = _EXPECTED.match(complaint)
    if expected is None:
        why = ", which is none of its words" if complaint.startswith("Invalid enum") else f" ({complaint})"
        return f"{field(at)} is {shown(value)}{why}"
    wanted = re.sub(
        r"`([^`]+)`", lambda m: " or ".join(_WORDS.get(kind, kind) for kind in m[1].split(" | ")), expected[1]
    )
    return f"{field(at)} is {shown(value)}, expected {wanted}"
