"""Hostile files of Arrow's and numpy's: made anew with a change in what they hold, or changed byte by byte."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from typing import Any

import seeds
from mutations import json_text, mutate_bytes, mutate_value


def mutate_parquet(rng: random.Random, data: bytes) -> bytes:
    """A rank table made anew with a change in its metadata or its rows; or the bytes of this one."""
    if rng.random() < 0.3:
        return mutate_bytes(rng, data)
    info: Any = seeds.INFO
    rows = seeds.ROWS
    if rng.random() < 0.6:
        info = json_text(rng, mutate_value(rng, info))
    if rng.random() < 0.6:
        rows = dict(rows)
        for _ in range(rng.choice((1, 1, 2))):
            column = rng.choice(list(rows))
            rows[column] = _changed_column(rng, column, rows[column])
    try:
        return seeds.parquet(info, rows)
    except (TypeError, ValueError, OverflowError):  # Arrow cannot write it
        return mutate_bytes(rng, data)


def _changed_column(rng: random.Random, column: str, values: list[Any]) -> list[Any]:
    """A column with a value, a list or a null of its own type in it."""
    odd = {
        "rank": (0, -1, 1, 2, 100, 101, 2**62, None),
        "relevant_grade": (0.0, -1.0, float("nan"), float("inf"), 1e308, None),
        "top_score": (float("nan"), float("inf"), None, -1e308),
    }.get(column, ("", "de", "xx", "q1", "p1", "\0", "a b", None, "\u202e"))
    changed = list(values)
    place = rng.randrange(len(changed))
    if not isinstance(changed[place], list):
        changed[place] = rng.choice(odd)
    elif rng.random() < 0.3:
        changed[place] = rng.choice(([], None, changed[place][:1], changed[place] * 2))
    else:
        inner = list(changed[place])
        place_inside = rng.randrange(len(inner) + 1)
        inner[place_inside : place_inside + 1] = [rng.choice(odd)]
        changed[place] = inner
    return changed


_DESCRS = (
    "'<i8'", "'<f8'", "'<f4'", "'|O'", "'|b1'", "'<U3'", "'|S0'", "'<c16'", "'<M8[s]'", "'|V8'", "[('a','<i8')]", "''",
    "1", "'>i8'",
)  # fmt: skip
_SHAPES = (
    "()", "(1,)", "(3, 1)", "(2, 2)", "(0,)", "(0, 0)", "(-1,)", "(10**9,)", "(1000000000000,)", "(2,)*40", "1", "None",
    "(2.0,)",
)  # fmt: skip
_HEADERS = (b"(" * 400, b"[" * 9000, b"{" * 150 + b"}" * 150, b"-" * 3000 + b"1", b"1" * 5000, b"'\\ud800'")


def npy_of(header: str) -> bytes:
    """A file of numpy's with this header."""
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + bytes(64)


def npy_bytes(rng: random.Random) -> bytes:
    """A file of numpy's with a header of all sorts."""
    header = (
        f"{{'descr': {rng.choice(_DESCRS)}, 'fortran_order': {rng.choice(('False', 'True', '0'))}, 'shape': "
        f"{rng.choice(_SHAPES)}, }}"
    ).encode()
    if rng.random() < 0.15:
        header = mutate_bytes(rng, header)
    if rng.random() < 0.05:
        header = rng.choice(_HEADERS)
    version = rng.choice((b"\1\0", b"\1\0", b"\1\0", b"\2\0", b"\3\0", b"\4\0", b"\0\0"))
    size = len(header) if rng.random() < 0.9 else rng.randrange(70_000)
    length = struct.pack("<H", size % 65536) if version == b"\1\0" else struct.pack("<I", size)
    return b"\x93NUMPY" + version + length + header + rng.randbytes(rng.choice((0, 8, 24, 32, 64)))


def mutate_npy(rng: random.Random, data: bytes) -> bytes:
    """An array with another header, or with other bytes."""
    return npy_bytes(rng) if rng.random() < 0.5 else mutate_bytes(rng, data)


def mutate_npz(rng: random.Random, data: bytes) -> bytes:
    """An archive with one of its arrays changed, and a checksum that is right; or the bytes of this one."""
    if rng.random() < 0.25:
        return mutate_bytes(rng, data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, RuntimeError, zlib.error, KeyError):
        return mutate_bytes(rng, data)
    if not members:
        return mutate_bytes(rng, data)
    name = rng.choice(list(members))
    match rng.randrange(6):
        case 0:
            del members[name]
        case 1:
            members[rng.choice(("../x.npy", "format.npy", "a", "", "rows.npy", "/etc/x.npy"))] = members[name]
        case 2:
            members[name] = mutate_bytes(rng, members[name])
        case _:
            members[name] = npy_bytes(rng)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for member, content in members.items():
            archive.writestr(member or "x", content)
    return stream.getvalue()
