"""Cue text: from what subtitle formats mark up to WebVTT's tags (W3C WebVTT, 4.2.2), with everything else escaped.

libav turns every other text format into dialogue lines of ASS (Advanced SubStation Alpha), so two dialects are read:
ASS and WebVTT's own. Whatever is not known to be a tag is text, and text cannot end a cue or become a tag.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

__all__ = ["PLAIN", "Placed", "Style", "from_ass", "from_webvtt", "styles_of"]

MOST_CHARACTERS = 4096
"""Of one cue. A page of a book has 2,000."""

_LANES = {0: "right", 1: "left", 2: ""}
_BOX = {"left": "position:0% align:left", "right": "position:100% align:right", "": ""}
_ROWS = ("", "line:50%", "line:0")

_TAGS = "biu"
"""Bold, italic and underline: the same letters in ASS and WebVTT."""

_DEEPEST = 8
"""So many tags may be open at a time."""

_OVERRIDES = re.compile(r"\\(?:(an?)(\d+)|(r)([^\\}]*)|(p)(\d+)|([biu])(\d*)(?![a-z]))")
_ESCAPED = {r"\{": "{", r"\}": "}", "\\\u2060": "\\"}
_ASS_TOKEN = re.compile(r"\{[^{}]*\}|\\[Nnh{}\u2060]|[^\\{]+|.", re.DOTALL)
_WEBVTT_TOKEN = re.compile(r"</?[a-z0-9][^<>]*>|[^<]+|<", re.DOTALL | re.IGNORECASE)
_WEBVTT_TAG = re.compile(r"(/?)(v|c|i|b|u|ruby|rt|lang)((?:\.[^\s.<>&]+)*)(?:[ \t\n]+([^<>]*))?", re.ASCII)
_SETTING = re.compile(
    r"(?:vertical:(?:rl|lr)|line:-?\d{1,4}(?:\.\d{1,4})?%?(?:,(?:start|center|end))?"
    r"|position:\d{1,3}(?:\.\d{1,4})?%(?:,(?:line-left|center|line-right))?|size:\d{1,3}(?:\.\d{1,4})?%"
    r"|align:(?:start|center|end|left|right))"
)


class Style(NamedTuple):
    """How a line of ASS looks unless it says otherwise. `alignment` is the key of a number pad: 2 is bottom centre."""

    tags: frozenset[str] = frozenset()
    alignment: int = 2


class Placed(NamedTuple):
    """Cue text and the cue settings that place it."""

    payload: str
    settings: str


PLAIN = Style()


def styles_of(header: str) -> dict[str, Style]:
    """The styles of an ASS header by name. Fields that are missing or damaged mean the plain style's."""
    styles: dict[str, Style] = {}
    names: list[str] = []
    legacy = False
    for line in header.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "[V4 Styles]":
            legacy = True
        elif key == "Format" and not styles:
            names = [name.strip() for name in value.split(",")]
        elif key == "Style":
            fields = dict(zip(names, (field.strip() for field in value.split(",")), strict=False))
            tags = frozenset(
                tag for tag, name in zip(_TAGS, ("Bold", "Italic", "Underline"), strict=True)
                if fields.get(name, "0") not in {"", "0"}
            )  # fmt: skip
            styles[fields.get("Name", "").lstrip("*")] = Style(tags, _alignment(fields.get("Alignment", ""), legacy))
    return styles


def from_ass(text: str, style: Style = PLAIN, styles: Mapping[str, Style] | None = None) -> Placed:
    """Cue text of an ASS dialogue's text. Colours, fonts, karaoke and animation are left out, and so are drawings."""
    alignment, active, drawing = style.alignment, set(style.tags), False
    pieces: list[tuple[frozenset[str], str]] = []
    for token in _ASS_TOKEN.findall(text):
        if token.startswith("{") and token.endswith("}") and len(token) > 1:
            for override in _OVERRIDES.finditer(token):
                place, number, reset, name, draw, level, tag, weight = override.groups()
                if place:
                    alignment = _alignment(number, legacy=place == "a") or alignment
                elif reset:
                    own = (styles or {}).get(name.strip(), style)
                    active = set(own.tags)
                elif draw:
                    drawing = level != "0"
                elif tag and weight == "0":
                    active.discard(tag)
                elif tag:
                    active.add(tag)
        elif not drawing:
            plain = {r"\N": "\n", r"\n": " ", r"\h": "\u00a0"}.get(token)
            if plain is None:
                # A brace is escaped by a backslash, which libav itself escapes by a word joiner behind it.
                plain = _ESCAPED.get(token, token)
            pieces.append((frozenset(active), plain))
    return Placed(_tidy(_tagged(_cut(pieces))), _settings(alignment))


def from_webvtt(text: str, settings: str = "") -> Placed:
    """Cue text of a WebVTT cue, with the tags that are in order; the others, and time stamps, are left out."""
    open_tags: list[str] = []
    out: list[str] = []
    room = MOST_CHARACTERS
    for token in _WEBVTT_TOKEN.findall(_clean(text)):
        if token.startswith("<") and len(token) > 1:
            tag = _WEBVTT_TAG.fullmatch(token[1:-1])
            if tag is None:
                continue
            closing, name, classes, annotation = tag.groups()
            if closing:
                while name in open_tags:
                    out.append(f"</{(last := open_tags.pop())}>")
                    if last == name:
                        break
            elif len(open_tags) < _DEEPEST:
                # A character reference may stand for the end of a line, or for what no player should be given.
                words = _clean(html.unescape(annotation)).split() if annotation and name in {"v", "lang"} else ()
                note = _escaped(" ".join(words))
                out.append(f"<{name}{classes}{' ' + note if note else ''}>")
                open_tags.append(name)
        else:
            piece = _clean(html.unescape(token))[:room]
            room -= len(piece)
            out.append(_escaped(piece))
    out += [f"</{name}>" for name in reversed(open_tags)]
    kept = (setting for setting in settings.split() if _SETTING.fullmatch(setting))
    return Placed(_tidy("".join(out)), " ".join({setting.partition(":")[0]: setting for setting in kept}.values()))


def _alignment(number: str, legacy: bool) -> int:
    """The key of a number pad; 2 for none. SSA, and `\\a` in ASS, count 1 to 3, then 5 to 7 on top, 9 to 11 midway."""
    value = int(number) if number.isascii() and number.isdigit() and len(number) < 3 else 0
    if legacy:
        row, column = divmod(value - 1, 4) if value else (0, 1)
        return 1 + column + 3 * {0: 0, 1: 2, 2: 1}.get(row, 0) if column < 3 else 2
    return value if 1 <= value <= 9 else 2


def _settings(alignment: int) -> str:
    row, column = divmod(alignment - 1, 3)
    return " ".join(part for part in (_ROWS[row], _BOX[_LANES[(column + 1) % 3]]) if part)


def _cut(pieces: list[tuple[frozenset[str], str]]) -> Iterator[tuple[frozenset[str], str]]:
    room = MOST_CHARACTERS
    for active, piece in pieces:
        cleaned = _clean(piece)[:room]
        room -= len(cleaned)
        if cleaned:
            yield active, cleaned


def _tagged(pieces: Iterator[tuple[frozenset[str], str]]) -> str:
    """Text with tags that are properly nested: all that are on are closed and opened again where one changes."""
    out: list[str] = []
    on: list[str] = []
    for active, piece in pieces:
        wanted = sorted(active)
        if wanted != on:
            out += [f"</{tag}>" for tag in reversed(on)]
            out += [f"<{tag}>" for tag in wanted]
            on = wanted
        out.append(_escaped(piece))
    return "".join([*out, *(f"</{tag}>" for tag in reversed(on))])


def _clean(text: str) -> str:
    """Text without what no player should be given: control characters, byte order marks, odd line ends."""
    text = re.sub(r"\r\n?|[\u0085\u2028\u2029\v\f]", "\n", text).replace("\t", " ")
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ufeff\ufffe\uffff]", "", text)


def _escaped(text: str) -> str:
    """`&`, `<` and `>` escaped: no tag, and no `-->` that would end the cue (4.1)."""
    return html.escape(text, quote=False)


def _tidy(payload: str) -> str:
    """No empty line, which would end the cue, and no space around lines. Empty where nothing would be seen."""
    lines = (line.strip(" ") for line in payload.split("\n"))
    tidy = "\n".join(line for line in lines if line)
    return tidy if re.sub(r"<[^>]*>", "", tidy).strip() else ""
