"""Inputs on which a reader once ended in something else than an error of ours, with what that was."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import seeds
from binary_mutations import npy_of
from readers import SEPARATOR

_DEEP = b"[" * 3000 + b"]" * 3000
_HALF = b'"\\ud800"'


def _changed(content: Any, **changes: Any) -> bytes:
    return seeds.dumped({**content, **changes})


def _raw(content: Any, key: str, raw: bytes) -> bytes:
    """JSON with a value that is written as it stands."""
    return seeds.dumped({**content, key: "@"}).replace(b'"@"', raw)


def _rows(**changes: Any) -> bytes:
    return seeds.parquet(rows={**seeds.ROWS, **changes})


def _info(**changes: Any) -> bytes:
    return seeds.parquet({**seeds.INFO, **changes})


def _subsets(**changes: Any) -> bytes:
    result = seeds.result()
    for row in result["scores"]["test"]:
        row.update(changes)
    return json.dumps(result).encode()


def _translations(first: bytes) -> bytes:
    return seeds.lines(seeds.translations()).replace(b"Question", first, 1)


def _recipe(model: bytes, path: bytes) -> bytes:
    return b'[model]\nname = "%s"\n[[data]]\nkind = "wide"\npath = "%s"\n[training]\nsteps = 1\n' % (model, path)


def _card(*lines: bytes) -> bytes:
    return b"\n".join((b'name = "A"', *lines)) + b"\n"


def _state(summary: bytes, notes: bytes = b'{"model": "1", "processes": 1}') -> bytes:
    return SEPARATOR.join((summary, notes))


CRASHES: tuple[tuple[str, bytes, str], ...] = (
    ("lareqa", seeds.dumped(seeds.lareqa()).replace(b'"Drei."', _HALF), "a text that nothing can encode"),
    ("recipe", b"a = " + b"[" * 3000, "RecursionError"),
    ("recipe", b"[training]\nsteps = " + b"9" * 5000, "ValueError: more digits than Python reads"),
    ("recipe", b"[loss]\npositives = 0x" + b"f" * 9000, "ValueError: a message with more digits than Python prints"),
    ("recipe", _recipe(b"a" * 5000, b"a.parquet"), "OSError: a name that is too long"),
    ("recipe", _recipe(b"a", b"~nobody-of-this-name/x"), "RuntimeError: nobody's home"),
    ("recipe_change", b"data." + b"9" * 5000 + b".fraction=1", "ValueError: a place of more digits than Python reads"),
    ("recipe_change", b"sampler.alpha=" + b"[" * 3000, "RecursionError"),
    ("card", _card(b"folder = " + b"[" * 3000), "RecursionError"),
    ("card", _card(b"folder = " + b"9" * 5000), "ValueError"),
    ("card", _card(b"folder = 0x" + b"f" * 9000), "ValueError"),
    ("tasks", _card(b'folder = "handbook"', b'split = "../../../x"'), "files outside of the folder that was named"),
    ("tasks", _card(b'folder = "~nobody-of-this-name/x"'), "RuntimeError"),
    ("tasks", _card(b'folder = "a\\u0000b"'), "ValueError: embedded null byte"),
    ("tasks", _card(b'folder = "' + b"a" * 5000 + b'"'), "OSError: file name too long"),
    ("rank_info", _changed(seeds.INFO, pool=" "), "AttributeError"),
    ("rank_info", _changed(seeds.INFO, pool={"de": "40"}), "TypeError"),
    ("rank_info", _changed(seeds.INFO, model=["a"]), "TypeError"),
    ("rank_info", _changed(seeds.INFO, subset="../../../x"), "files outside of the folder that was named"),
    ("rank_info", _changed(seeds.INFO, split="/x"), "files outside of the folder that was named"),
    ("rank_info", _raw(seeds.INFO, "experiment", _DEEP), "RecursionError"),
    ("rank_info", _raw(seeds.INFO, "model", _HALF), "a name that nothing can write"),
    ("rank_table", _info(subset="../x"), "files outside of the folder that was named"),
    ("rank_table", _info(model="ß" * 300), "OSError: file name too long"),
    ("rank_table", _info(query_language=["de"]), "TypeError"),
    ("rank_table", _rows(rank=[[1, 7], [2, 2**62]]), "ValueError: beyond the pool"),
    ("rank_table", _rows(rank=[[1, 7], [2, 2]]), "ValueError: two passages of one rank"),
    ("rank_table", _rows(rank=[[1, 7], [2]]), "ValueError: lists of other lengths"),
    ("rank_table", _rows(rank=[[1, 7], None]), "ValueError"),
    ("rank_table", _rows(relevant_language=[["de", "xx"], ["en", "de"]]), "KeyError"),
    ("rank_table", _rows(relevant_grade=[[1.0, 0.0], [2.0, 1.0]]), "ValueError"),
    ("rank_table", _rows(top_language=[["de", ""], ["en", "en"]]), "KeyError"),
    ("rank_table", _rows(top_id=[["p1", None], ["p8", "p3"]]), "AttributeError"),
    ("rank_table", _rows(top_id=[["p1"], ["p8", "p3"]]), "ValueError"),
    ("rank_table", seeds.parquet().replace(b"top_score", b"top_scor\xdc"), "UnicodeDecodeError: the name of a column"),
    ("results", _raw(seeds.result(), "task_name", _DEEP), "RecursionError"),
    ("results", _subsets(map=1e308), "a mean that is no number"),
    ("results", _subsets(hf_subset="\ud800"), "a name that nothing can write"),
    ("model_meta", _raw(seeds.model_meta(), "revision", _DEEP), "RecursionError"),
    ("model_meta", _raw(seeds.model_meta(), "name", _HALF), "a name that nothing can write"),
    ("manifest", _changed(seeds.manifest(), quality={"en-sw": {"empty": "x"}}), "ValueError"),
    ("manifest", _changed(seeds.manifest(), quality={"en-sw": {"empty": [1]}}), "TypeError"),
    ("manifest", _changed(seeds.manifest(), quality={"[/x]": {}}), "MarkupError"),
    ("manifest", _raw(seeds.manifest(), "decoding", b'{"a": ' + b"[" * 600 + b"]" * 600 + b"}"), "RecursionError"),
    ("translations", b'{"_id": "1", "text": ' + _DEEP + b', "source": ""}\n', "RecursionError"),
    ("translations", _translations(b"\xed\xa0\x80"), "a text that nothing can encode"),
    ("beir_judgments", b"query-id\tcorpus-id\tscore\nq\td\t" + b"0" * 5000 + b"1\n", "ValueError"),
    ("checkpoint", seeds.npz(format=np.int64(2), rows=np.arange(3), above=np.zeros((3, 1), dtype=np.int64),
                             top_order=np.zeros((2, 2), dtype=np.int64), top_scores=np.zeros((2, 2))), "TypeError"),
    ("anchors", seeds.npz(format=np.int64(2), queries=np.arange(3), relevant=np.arange(3)), "vectors that are none"),
    ("kept", npy_of("{'descr': '|S0', 'fortran_order': False, 'shape': (-1,), }"), "SIGFPE: the end of the process"),
    ("kept", seeds.checkpoint(), "AttributeError: an archive in place of an array"),
    ("negatives", seeds.npz(owner=np.array(seeds.OWNER), found=np.array(5)), "a number in place of lists"),
    ("model_config", b'{"prompts": " "}', "AttributeError"),
    ("model_config", b'{"similarity_fn_name": ["cosine"]}', "TypeError"),
    ("model_config", b'{"model_type": ' + _DEEP + b"}", "RecursionError"),
    ("training_state", _state(b"[]"), "TypeError"),
    ("training_state", _state(b'{"output": "\xe9"}'), "UnicodeDecodeError"),
    ("training_state", _state(seeds.dumped(seeds.state()), b"cut o"), "JSONDecodeError"),
    ("training_state", _state(seeds.dumped(seeds.state()), b"1"), "AttributeError"),
)  # fmt: skip
