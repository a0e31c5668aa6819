"""Ladders from YAML and JSON files, refused with the line of each mistake."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from transcoder.errors import InvalidInputError
from transcoder.ladder import BUILT_IN, Ladder

__all__ = ["load_ladder", "parse_ladder"]

_LONGEST_FILE = 1 << 20

_MOST_VALUES = 10_000
"""References of YAML can make some lines into a document without an end."""


def load_ladder(name_or_path: str) -> Ladder:
    """A built-in ladder by name, or one from a YAML or JSON file.

    Errors: InvalidInputError; for each mistake its line and field in the message, and by field in `details["fields"]`.
    """
    if name_or_path in BUILT_IN:
        return BUILT_IN[name_or_path]
    path = Path(name_or_path)
    if path.suffix.lower() not in {".yaml", ".yml", ".json"}:
        raise InvalidInputError(
            f"there is no ladder named {name_or_path!r}: the built-in ones are {', '.join(BUILT_IN)}; "
            "a file must end in .yaml, .yml or .json"
        )
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST_FILE + 1)
        if len(text) > _LONGEST_FILE:
            raise InvalidInputError("the ladder file is longer than a megabyte")
        if path.suffix.lower() == ".json":
            document = json.loads(text)
            # JSON is YAML but for tabs between its tokens; inside a string JSON has none.
            text = text.replace("\t", " ")
        else:
            document = yaml.safe_load(text)
        lines = _lines(text)
    except OSError as error:
        raise InvalidInputError(f"the ladder file cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise InvalidInputError(f"the ladder file is not valid: {error}") from error
    return parse_ladder(document, lines)


def parse_ladder(document: Any, lines: Mapping[tuple[str | int, ...], int] | None = None) -> Ladder:
    """A ladder from parsed YAML or JSON. `lines` says where each value stands, by its path.

    Errors: InvalidInputError that names each wrong field.
    """
    try:
        return Ladder.model_validate(document)
    except ValidationError as error:
        mistakes = [(e["loc"], e["msg"]) for e in error.errors() if not _follows(e, error.errors())]
        fields = {".".join(map(str, loc)) or "ladder": _placed(text, loc, lines) for loc, text in mistakes}
        reasons = "; ".join(f"{field}: {reason}" for field, reason in fields.items())
        raise InvalidInputError(f"the ladder is not valid: {reasons}", {"fields": fields}) from error


def _follows(mistake: ErrorDetails, mistakes: Sequence[ErrorDetails]) -> bool:
    """Whether a list is too short only because its wrong members were not counted."""
    place = mistake["loc"]
    inside = (other["loc"] for other in mistakes if len(other["loc"]) > len(place))
    return mistake["type"] == "too_short" and any(loc[: len(place)] == place for loc in inside)


def _placed(message: str, place: Sequence[str | int], lines: Mapping[tuple[str | int, ...], int] | None) -> str:
    """The message with the line of the value, or of what it is missing in."""
    message = message.removeprefix("Value error, ")
    if not lines:
        return message
    known = (tuple(place[:length]) for length in range(len(place), -1, -1))
    line = next((lines[path] for path in known if path in lines), None)
    return f"{message} (line {line})" if line else message


def _lines(text: str) -> dict[tuple[str | int, ...], int]:
    """The line of every value of a YAML text. Errors: ValueError, YAMLError, RecursionError."""
    lines = {}
    for path, line in _walk(yaml.compose(text, yaml.SafeLoader)):
        lines[path] = line
        if len(lines) > _MOST_VALUES:
            raise ValueError(f"it has more than {_MOST_VALUES} values")
    return lines


def _walk(node: yaml.Node | None, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """The line of every value, by its path; its key's where it has one.

    Errors: ValueError for a key that is there twice.
    """
    if node is None:
        return
    if not path:
        yield path, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise ValueError(f"{key.value!r} is there twice (line {line})")
            seen.add(key.value)
            yield (*path, key.value), line
            yield from _walk(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*path, index), value.start_mark.line + 1
            yield from _walk(value, (*path, index))
