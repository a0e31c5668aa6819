"""Cue text: what is marked up stays so, and nothing that a source says can end a cue or become a tag."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoder.text.cues import Cue
from transcoder.text.markup import Style, from_ass, from_webvtt, styles_of
from transcoder.text.webvtt import read_webvtt, write_webvtt

HEADER = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Bold, Italic, Underline, Alignment
Style: Default,Arial,0,0,0,2
Style: Sign,Arial,-1,-1,0,8
"""


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        (r"{\i1}Hello{\i0} there", "<i>Hello</i> there"),
        (r"one\Ntwo\nthree\hfour", "one\ntwo three\u00a0four"),
        (r"{\b700}bold{\b0}, {\u1}under{\r}, {\fs20\c&H00FF&}plain", "<b>bold</b>, <u>under</u>, plain"),
        (r"{\i1}both {\b1}now{\i0} one", "<i>both </i><b><i>now</i></b><b> one</b>"),
        (r"shape {\p1}m 0 0 l 9 9{\p0}gone", "shape gone"),
        (r"a < b & c --> d", "a &lt; b &amp; c --&gt; d"),
        (r"\{braces\}", "{braces}"),
        ("a\\\u2060b", "a\\b"),
        ("\ufefftab\tand\x00\x07 bell\r\n\r\nlast", "tab and bell\nlast"),
        (r"{\pos(10,20)}{unclosed", "{unclosed"),
        (r"{\i1}{\i0}\N  \N", ""),
    ],
)
def test_text_of_ass(text: str, payload: str) -> None:
    assert from_ass(text).payload == payload


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("plain", ""),
        (r"{\an8}top", "line:0"),
        (r"{\an7}corner", "line:0 position:0% align:left"),
        (r"{\an6}right", "line:50% position:100% align:right"),
        (r"{\a6}top, as SSA counts", "line:0"),
        (r"{\a1}left, as SSA counts", "position:0% align:left"),
        (r"{\an99}nowhere", ""),
    ],
)
def test_places_of_ass(text: str, settings: str) -> None:
    assert from_ass(text).settings == settings


def test_styles_say_how_a_line_looks() -> None:
    styles = styles_of(HEADER)
    assert styles == {"Default": Style(), "Sign": Style(frozenset("bi"), 8)}
    assert from_ass(r"a {\i0}b {\rDefault}c", styles["Sign"], styles) == ("<b><i>a </i></b><b>b </b>c", "line:0")


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        ("<v Bob Smith>Hello <i>you</i>", "<v Bob Smith>Hello <i>you</i></v>"),
        ("a &amp; b &lt; c &nbsp;d", "a &amp; b &lt; c \u00a0d"),
        ("<c.yellow.bg_blue>warm</c> <00:00:02.000>later", "<c.yellow.bg_blue>warm</c> later"),
        ("<script>alert(1)</script> x", "alert(1) x"),
        ("<b>open <i>nested</b> rest", "<b>open <i>nested</i></b> rest"),
        ("a < b --> c", "a &lt; b --&gt; c"),
        ('<v Eve & "co">x', '<v Eve &amp; "co">x</v>'),
        ("one\n\ntwo", "one\ntwo"),
        ("<v Eve&#13;&#13;NOTE>x", "<v Eve NOTE>x</v>"),
        ("<v Eve\r\rNOTE>x", "<v Eve NOTE>x</v>"),
        ("<c.a\0b>x", "<c.ab>x</c>"),
        ("<i></i>", ""),
    ],
)
def test_text_of_webvtt(text: str, payload: str) -> None:
    assert from_webvtt(text).payload == payload


def test_settings_of_webvtt_are_those_that_are_in_order() -> None:
    given_settings = "line:0 align:left bogus:1 position:10%,line-left size:x region:r1 align:end"
    assert from_webvtt("x", given_settings).settings == "line:0 align:end position:10%,line-left"


HOSTILE = st.text(alphabet=st.sampled_from("<>&{}\\/\n\r\0-> iIbBuv1NnhpP.\u2028\ufeff:0é"), max_size=60)


@given(HOSTILE)
def test_nothing_ends_a_cue_or_becomes_an_unknown_tag(text: str) -> None:
    for placed in (from_ass(text), from_webvtt(text, text)):
        assert "-->" not in placed.payload and "\n\n" not in placed.payload
        tags = re.findall(r"<(/?)([^>.\s]*)[^>]*>", placed.payload)
        assert {name for _, name in tags} <= {"b", "i", "u", "v", "c", "ruby", "rt", "lang"}
        open_tags: list[str] = []
        for closing, name in tags:
            if closing:
                assert open_tags.pop() == name
            else:
                open_tags.append(name)
        assert not open_tags
        if placed.payload:
            cue = Cue(0, 1000, *placed)
            assert read_webvtt(write_webvtt([cue])) == (cue,)
