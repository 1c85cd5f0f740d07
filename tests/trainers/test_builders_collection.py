"""Parallel collections of ours as training data."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from built_collections import collection, part
from parallel_items import (
    view_rows,
)

from mteb_hybrid.collections import miniqa_r, mlqa_r
from mteb_hybrid.errors import CollectionError
from mteb_hybrid.trainers import ParallelDataset


class TestCollection:
    """Parallel collections of ours."""

    def test_items_lack_languages_and_have_several_passages(self):
        """The n-th relevant passage of a question is its n-th in the other languages."""
        made = ParallelDataset.from_collection(
            collection(
                part("de", {"a": ("a1 de", "a2 de"), "b": ("b1 de",)}, ["x", "b1 de", "a2 de", "a1 de"]),
                part("en", {"c": ("c1 en",), "a": ("a1 en",)}),
            )
        )
        assert made.num_items == 4
        assert set(view_rows(made)) == {
            ("query a de", "a1 de", "0"),
            ("query a de", "a1 en", "1"),
            ("query a en", "a1 de", "1"),
            ("query a en", "a1 en", "0"),
            ("query a de", "a2 de", "0"),
            ("query b de", "b1 de", "0"),
            ("query c en", "c1 en", "0"),
        }
        assert made.collections == {"by-hand": 4}

    def test_miniqa_r(self):
        """All of its 48 items in 11 languages, or in some of them; its rows are its questions with their sentences."""
        assert len(ParallelDataset.from_collection(miniqa_r())) == 48 * 11**2
        made = ParallelDataset.from_collection(miniqa_r(), ["th", "de"])
        assert made.languages == ("de", "th")
        parts = {code: miniqa_r().load(code) for code in ("de", "th")}
        expected = {
            (
                parts[query].queries[n],
                parts[passage].passages[parts[passage].relevant[n][0]],
                str(int(query != passage)),
            )
            for n in range(48)
            for query in parts
            for passage in parts
        }
        assert set(view_rows(made)) == expected

    def test_unknown_language(self):
        """The collection says which it has."""
        with pytest.raises(CollectionError, match="no language 'fr'"):
            ParallelDataset.from_collection(miniqa_r(), ["de", "fr"])

    def test_mlqa_r(self, lareqa_data, monkeypatch):
        """As many items as question ids, and for each the square of its number of languages, counted in the files."""
        monkeypatch.setenv("MTEB_HYBRID_DATA", str(lareqa_data))
        languages: Counter[str] = Counter()
        for path in (lareqa_data / "mlqa-r").glob("*.json"):
            articles = json.loads(path.read_text(encoding="utf-8"))["data"]
            languages.update(
                {qa["id"] for one in articles for paragraph in one["paragraphs"] for qa in paragraph["qas"]}
            )
        made = ParallelDataset.from_collection(mlqa_r())
        assert made.num_items == len(languages) == 1_148
        assert len(made.languages) == 7
        assert len(made) == sum(count**2 for count in languages.values())
        assert sorted(Counter(languages.values()).items()) == [(2, 65), (3, 263), (4, 820)]
        monolingual = sum(not crosses for crosses in [row[-1] == "1" for row in view_rows(made)])
        assert monolingual == sum(languages.values())
