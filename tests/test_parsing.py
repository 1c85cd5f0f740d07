"""JSON and TOML of others: what is right comes back, and all that is wrong is one kind of error."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mteb_hybrid.parsing import check_unicode, parse_json, parse_toml, shown

TEXT = st.text(max_size=10)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
)


@given(JSON, st.booleans(), st.booleans())
def test_json_comes_back(content, escaped, raw):
    """As Python's own reader has it, from text and from bytes, with escapes or without."""
    text = json.dumps(content, ensure_ascii=escaped)
    assert parse_json(text.encode() if raw else text) == content


@given(st.text(st.characters(exclude_categories=()), max_size=10))
def test_halves_of_characters(text):
    """Pairs of surrogates are a character; what is left alone is refused, wherever it stands."""
    whole = json.loads(json.dumps(text))
    for document in (json.dumps(text), json.dumps({text: 1}), json.dumps([[{"a": text}]])):
        try:
            whole.encode()
        except UnicodeEncodeError:
            with pytest.raises(ValueError, match="half of a character"):
                parse_json(document)
        else:
            parse_json(document)


NO_JSON = {
    "nothing": "",
    "cut off": "{",
    "words": "nonsense",
    "two": "1 2",
    "very deep": "[" * 100_000,
    "deep": "[" * 990 + "]" * 990,
    "deep in names": '{"a":' * 500 + "1" + "}" * 500,
    "many digits": "9" * 5000,
    "a byte": b"\xff",
    "half of a character": b'"\xed\xa0\x80"',
    "another encoding": '"a"'.encode("utf-16"),
    "a mark in a text": "\ufeff1",
}


@pytest.mark.parametrize("text", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json(text):
    """Too deep, too many digits, cut off, another encoding: ValueError."""
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_depth():
    """A hundred levels are more than enough, and are read; a text between them has no depth of its own."""
    for levels in (1, 98, 99):
        assert parse_json("[" * levels + '"[[[["' + "]" * levels) is not None
    with pytest.raises(ValueError, match="it is nested too deeply"):
        parse_json("[" * 100 + "1" + "]" * 100)
    assert parse_json(b"\xef\xbb\xbf{}") == {}


def test_toml():
    """As Python's own reader has it."""
    text = 'a = [1, 1.5, "x"]\n[b]\nc = 2026-11-23\nd = -9223372036854775808\ne = 9223372036854775807\nf = true\n'
    assert parse_toml(text) == tomllib.loads(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = ", "Invalid value"),
        ("a = " + "[" * 5000, "nested too deeply"),
        ("a = " + "[" * 150 + "]" * 150, "nested too deeply"),
        ("a = 9223372036854775808", "more than 64 bits"),
        ("a = [{ b = -9223372036854775809 }]", "more than 64 bits"),
        ("a = 0x" + "f" * 9000, "more than 64 bits"),
        ("a = " + "9" * 5000, "."),
    ],
    ids=["no value", "very deep", "deep", "65 bits", "65 bits in a table", "36,000 bits", "many digits"],
)
def test_what_is_no_toml(text, message):
    """ValueError, with what it is."""
    with pytest.raises(ValueError, match=message):
        parse_toml(text)


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\udc80.json"])
def test_unicode(text):
    """Lone surrogates, also those that stand for bytes in names of files."""
    with pytest.raises(ValueError, match="half of a character"):
        check_unicode(text)
    check_unicode("ä😀\0")


def test_shown():
    """Short, whatever it is; short values as repr has them."""
    for value in (None, True, 5, 1.5, "a", [1, "b"], {"a": None}, ""):
        assert shown(value) == repr(value)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    for value in ("a" * 10**6, ["a" * 10**6] * 50, deep, {"a" * 10**5: 1}, b"a" * 10**6, 10**4000):
        assert len(shown(value)) < 1000
    while deep:  # taken apart from outside: Python would run out of stack
        deep = deep.pop()
