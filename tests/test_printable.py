"""Text of others where people read it."""

from __future__ import annotations

import pytest
from hostile_words import ORDERS, WORDS
from hypothesis import given
from hypothesis import strategies as st

from mteb_hybrid.printable import one_line, some_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\nc\td", "a b  c d"),
        ("a\u2028b\u2029c\x85d\x0be\x0cf", "a b c d e f"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\0\x07\x7f\x9b", "\\x00\\x07\\x7f\\x9b"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\ud800", "\\ud800"),
        ("ä 中 \u200d e\u0301 \u200f שלום 😀 \\", "ä 中 \u200d e\u0301 \u200f שלום 😀 \\"),
    ],
)
def test_one_line(text, shown):
    """Ends of lines become blanks, orders are written out, and letters of all scripts stay."""
    assert one_line(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_any_text(text):
    """There is no order left, what is printable already stays, and every letter is still there."""
    found = one_line(text)
    assert not ORDERS.search(found)
    assert "\n" not in found
    found.encode()
    assert one_line(found) == found
    rest = iter(found)
    assert all(letter in rest for letter in text if letter.isalnum())  # in their order


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
def test_some_lines(word):
    """A message keeps its lines, and nothing else."""
    assert some_lines(f"a:\n  {word}\nb").split("\n")[0] == "a:"
    assert some_lines(f"a:\n{word.replace(chr(10), ' ')}\nb").count("\n") == 2
