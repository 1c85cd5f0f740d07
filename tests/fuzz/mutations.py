"""How hostile inputs are made of valid ones: by their structure first, then byte by byte."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

Mutate = Callable[[random.Random, bytes], bytes]

# what JSON can say and Python's encoder cannot; a marker in the text is replaced by the words
_RAW = {
    b'"@int@"': b"9" * 5000,
    b'"@big@"': b"1" + b"0" * 400,
    b'"@huge@"': b"1e999",
    b'"@half@"': b'"\\ud800"',
    b'"@halves@"': b'"\\udfff\\ud83d"',
    b'"@bare@"': b"nonsense",
    b'"@twice@"': b'{"_id": "a", "_id": 1}',
}
_TEXTS = (
    "", " ", "\0", "\x1b[2J", "a\nb", "a\rb", "a\tb", "\u2028", "\ufeff", "\u202e\u05d0", "e\u0301", "\u200b", "😀",
    "ß" * 300, "../../x", "/etc/passwd", "..", ".", "con", "a/b", "a\\b", "<script>", "</script>", "\\input{x}",
    "{{7*7}}", "%s", "{0}", "=1+1", "[bold]", "[/x]", "[link=x]", "nan", "-1", "1e5", "true", "de", "en", "de-en",
    "test", "XQuADRMultilingual", "hf://a/b", "~", "~nobody/x", "@int@", "@big@", "@huge@", "@half@", "@halves@",
    "@bare@", "@twice@", "@deep@", "@deep@", "DEU", "mt", "xx-yy", "é" * 70_000,
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 100, 101, 2**31, 2**63, -(2**63), 2**64, 0.0, -0.0, 0.5, 1e-320, 1e308, -1e308,
    1.5, float("nan"), float("inf"), float("-inf"), [], {}, [[]], {"": ""}, [None], [0, 1], ["a"], [[0, 1]], [1, "a"],
    {"a": 1},
)  # fmt: skip
_TOML = (
    "true", "0", "-1", "1.5", "1e400", "inf", "nan", "-0.0", "9" * 30, "9" * 5000, "0x" + "f" * 40, "0x" + "f" * 9000,
    "0o7", "0b1", "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", '""', '"a"', '"/etc"', '"../.."', '"\\u0000"',
    '"\\U0010FFFF"', '"~"', '"~x/y"', '"""a\nb"""', "'''x'''", "[]", "[[]]", "[1, 'a']", '["de", "de"]', '["de"]',
    "{}", '{ de = "a" }', '{ en-de = 1 }', "[{}]", '"\\ud800"', "[" * 3000, "[" * 400 + "]" * 400,
    "{ a = " * 200 + "1" + " }" * 200, "1_000", "_1", "''", '"\u202e"', '"mlt-Latn"', '"xxx-Xxxx"', '"query_to_doc"',
    '"mit"', '"a/../../b"', '"test"', '"dev"',
)  # fmt: skip
_KEYS = (
    "name", "folder", "folders", "split", "languages", "scripts", "revision", "description", "license", "reference",
    "citation", "model", "data", "kind", "path", "pairs", "fraction", "sampler", "alpha", "loss", "scale", "training",
    "steps", "epochs", "seed", "evaluation", "held_out", "metric", "output", "directory", "max_items", "negatives",
    "temperature", "a.b", '""', '"\u202e"', "x", "warmup", "language_weights", "pair_weights", "directions",
    "max_seq_length", "de", "mt",
)  # fmt: skip
_TOKENS = (
    b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\r", b"\n",
    b"\t", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"=", b"#", b"\\u0000", b"\\ud800", b"-", b"1e9999",
    b"9" * 60, b"null", b"PK\x03\x04", b"PAR1", b"\x93NUMPY", b"\x80\x04\x95", b"__reduce__", b"{'descr': '|O'",
    b"\x1f\x8b", b"%00", b"..", b"/",
)  # fmt: skip

_FIELDS = (
    b"", b" ", b"-1", b"+1", b"1.5", b"nan", b"9" * 12, b"9" * 5000, b"0" * 5000 + b"1", b"2147483648", "٣".encode(),
    b"a", b"1-en",
)  # fmt: skip


def mutate_bytes(rng: random.Random, data: bytes) -> bytes:
    """Flip, cut, repeat, move, or put something in; once or some times."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        size = len(data)
        start = rng.randrange(size + 1)
        end = min(size, start + rng.choice((0, 1, 1, 2, 4, 16, 64)))
        match rng.randrange(7):
            case 0 if size:
                place = rng.randrange(size)
                data = data[:place] + bytes((data[place] ^ (1 << rng.randrange(8)),)) + data[place + 1 :]
            case 1:
                data = data[:start] + rng.choice(_TOKENS) + data[end:]
            case 2:
                data = data[:start]
            case 3:
                data = data[:start] + data[end:]
            case 4:
                data = data[:end] + data[start:end] * rng.choice((1, 2, 50)) + data[end:]
            case 5:
                data = data[:start] + rng.randbytes(end - start) + data[end:]
            case _:
                other = rng.randrange(size + 1)
                data = data[:other] + data[start:end] + data[other:]
    return data


def hostile_value(rng: random.Random) -> Any:
    """A value where another was meant."""
    return rng.choice(_TEXTS) if rng.random() < 0.5 else rng.choice(_VALUES)


def mutate_value(rng: random.Random, value: Any) -> Any:
    """The value with one place in it changed; shares the rest with it."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.85:
        match rng.randrange(12):
            case 0:
                return _without(rng, value)
            case 1:
                return _with_more(rng, value)
            case _:
                changed = value.copy()
                place = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
                changed[place] = mutate_value(rng, value[place])
                return changed
    if isinstance(value, (int, float)) and -(2.0**99) < value < 2.0**99 and rng.random() < 0.4:
        return rng.choice((value + 1, value - 1, -value, value * 1000, str(value), float(value)))
    if isinstance(value, str) and rng.random() < 0.3:
        return rng.choice((value + rng.choice(_TEXTS), value * 2, value[:-1], value.upper(), [value], value[::-1]))
    return hostile_value(rng)


def _without(rng: random.Random, value: Any) -> Any:
    changed = value.copy()
    del changed[rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))]
    return changed


def _with_more(rng: random.Random, value: Any) -> Any:
    if isinstance(value, dict):
        return {**value, rng.choice(_TEXTS): rng.choice((*value.values(), hostile_value(rng)))}
    return [*value, rng.choice((rng.choice(value), hostile_value(rng)))]


def json_text(rng: random.Random, content: Any) -> bytes:
    """JSON of what may hold markers of things that only text can say."""
    text = json.dumps(content, ensure_ascii=rng.random() < 0.2).encode()
    if b"@" in text:
        for marker, raw in _RAW.items():
            text = text.replace(marker, raw)
        if b'"@deep@"' in text:
            depth = rng.choice((rng.randrange(300, 1100), rng.randrange(850, 1000), 100_000))
            opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
            inner = b"" if opening == b"[" else b"1"
            text = text.replace(b'"@deep@"', opening * depth + inner + closing * depth)
    return text


def mutate_json(rng: random.Random, data: bytes) -> bytes:
    """JSON by its structure; what is no JSON, and now and then what is, by its bytes."""
    if rng.random() < 0.15:
        return mutate_bytes(rng, data)
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return mutate_bytes(rng, data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = mutate_value(rng, content)
    return _dumped(rng, content, data)


def mutate_json_lines(rng: random.Random, data: bytes) -> bytes:
    """One line by its structure, or lines as a whole."""
    if rng.random() < 0.15:
        return mutate_bytes(rng, data)
    rows = data.split(b"\n")
    place = rng.randrange(len(rows))
    match rng.randrange(10):
        case 0:
            rows.insert(place, rng.choice(rows))
        case 1:
            del rows[place]
        case 2:
            rows[place] = rng.choice((b"", b" ", b"\r", b"null", b"[]", b"1", b"\x1c", b"\xe2\x80\xa8"))
        case _:
            rows[place] = mutate_json(rng, rows[place])
    return b"\n".join(rows)


def _dumped(rng: random.Random, content: Any, otherwise: bytes) -> bytes:
    try:
        return json_text(rng, content)
    except (ValueError, RecursionError):  # a lone surrogate of an earlier round, or nested too deeply to write
        return mutate_bytes(rng, otherwise)


def mutate_toml(rng: random.Random, data: bytes) -> bytes:
    """A value, a key, a line or a table of TOML."""
    if rng.random() < 0.2:
        return mutate_bytes(rng, data)
    rows = data.split(b"\n")
    for _ in range(rng.choice((1, 1, 2))):
        place = rng.randrange(len(rows))
        key, equals, _value = rows[place].partition(b" = ")
        match rng.randrange(9):
            case 0:
                rows.insert(place, rng.choice(rows))
            case 1 if len(rows) > 1:
                del rows[place]
            case 2:
                rows.insert(place, f"{rng.choice(_KEYS)} = {rng.choice(_TOML)}".encode())
            case 3:
                rows.insert(place, f"[{rng.choice(_KEYS)}]".encode())
            case 4:
                rows.insert(place, f"[[{rng.choice(_KEYS)}]]".encode())
            case _ if equals:
                rows[place] = key + b" = " + rng.choice(_TOML).encode()
    return b"\n".join(rows)


def mutate_table(rng: random.Random, data: bytes) -> bytes:
    """A field or a line of text with tabs."""
    if rng.random() < 0.3:
        return mutate_bytes(rng, data)
    rows = data.split(b"\n")
    place = rng.randrange(len(rows))
    fields = rows[place].split(b"\t")
    column = rng.randrange(len(fields))
    match rng.randrange(6):
        case 0:
            fields.insert(column, rng.choice(_TOKENS))
        case 1:
            del fields[column]
        case 2:
            rows.insert(place, rng.choice(rows))
        case _:
            fields[column] = rng.choice(_FIELDS)
    rows[place] = b"\t".join(fields)
    return b"\n".join(rows)


def mutate_parts(*each: Mutate, separator: bytes) -> Mutate:
    """A mutation of one of several files that are one input."""

    def mutate(rng: random.Random, data: bytes) -> bytes:
        parts = data.split(separator, len(each) - 1)
        if len(parts) < len(each):
            return mutate_bytes(rng, data)
        place = rng.randrange(len(parts))
        parts[place] = each[place](rng, parts[place])
        return separator.join(parts)

    return mutate


def mutate_change(rng: random.Random, data: bytes) -> bytes:
    """A ``key=value`` of the command line."""
    if rng.random() < 0.4:
        return mutate_bytes(rng, data)
    path: Sequence[str] = [
        rng.choice((*_KEYS, "0", "1", "99", "", "9" * 5000, "²")) for _ in range(rng.choice((1, 2, 2, 3, 4)))
    ]
    return f"{'.'.join(path)}{rng.choice(('=', '=', '=', ''))}{rng.choice((*_TOML, *_TEXTS))}".encode()
