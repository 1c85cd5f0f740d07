"""Words that nobody writes by chance: for texts, ids and names; and results with such names."""

from __future__ import annotations

import json
import re
from pathlib import Path

WORDS = {
    "right to left": "שלום עולם مرحبا",
    "turned around": "\u202edoc\u202c \u2066left\u2069 \u200fright\u200e",
    "one letter with 300 marks": "z" + "\u0301\u0316" * 150,
    "composed and decomposed": "\u00e9 e\u0301 \u212b \u00c5",
    "zero width": "\u200b\u200c\u200d\u2060\ufeff",
    "joined": "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3f4\U000e0067\U000e007f",
    "NUL": "a\0b",
    "control characters": "\x01\x08\x1b[31mred\x1b]8;;http://x\x07\x7f\x9b2J",
    "ends of lines": "a\rb\x0bc\x0cd\x85e\u2028f\u2029g",
    "no characters": "\ufffe\uffff\ufdd0 \U0010ffff",
    "private": "\ue000\U000f0000",
    "ligatures": "\ufb01\ufdfa \u1e9e ß ſ İ",
    "halfwidth": "\uff76\uff9e ＡＢＣ １２３",
    "spaces": "\u3000a\u00a0b\u2003c\u180e",
}
"""All of them are valid Unicode."""

INJECTIONS = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onload='x", "</script><script>x</script>",
    "</td></tr></table>", "<!--", "-->", "]]>", "&lt;b&gt;", "&#0;", "{{ 7 * 7 }}", "{% for %}", "{#",
    "javascript:alert(1)", "</style>", "</title>", "\\input{/etc/passwd}", "\\write18{id}", "$x^2$", "%comment",
    "a & b \\\\ c", "\\end{tabular}", "^^M", "*[2pt]", "#1", "~", "a\nb\\input{x}", "a\r\\input{x}", "a\u2028b",
    "`code`", "**bold**", "| a | b |", "# heading", "\n\n# heading", "[x](http://x)", "![x](http://x)", "<http://x>",
    "~~gone~~", "---", "=cmd()", "+1", "@x", '"quoted", "twice"', "a,b;c", "[bold]x[/bold]", "[/x]",
    "[link=http://x]x[/link]", "\x1b[2J", "\x1b]0;title\x07", "\u202eevil", "%s %d {0} {name}", "${HOME}", "`id`",
    "$(id)",
)  # fmt: skip
"""What is markup, code or an order to somebody."""

ORDERS = re.compile("[\0-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys, ends a line somewhere or turns the order of the text around it; but for a line feed."""


def write_results(folder: Path, model: str, subset: str) -> None:
    """A result of MTEB of a model of this name, in a folder of another."""
    place = folder / "someone__model" / "1"
    place.mkdir(parents=True)
    rows = [{"hf_subset": name, "map": 0.5} for name in (subset, "de")]
    (place / "XQuADRMonolingual.json").write_text(json.dumps({"dataset_revision": "7", "scores": {"test": rows}}))
    (place / "model_meta.json").write_text(json.dumps({"name": model, "revision": "1"}))
