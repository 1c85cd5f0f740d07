"""From the data tables of a recipe to views."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from parallel_items import item, long_table, pair_tables, view_rows, wide_table, write_beir, write_mmarco
from tiny_recipes import tiny_content

from mteb_hybrid.collections import miniqa_r
from mteb_hybrid.errors import RecipeError, TrainingDataError
from mteb_hybrid.trainers import ParallelDataset
from mteb_hybrid.trainers.evaluation.item_parts import item_parts
from mteb_hybrid.trainers.recipes import Recipe
from mteb_hybrid.trainers.recipes.data import Views, build_views, check_paths
from mteb_hybrid.trainers.recipes.evaluation import build_evaluator

ITEMS = [item(str(number), "de en" if number % 3 else "de en es") for number in range(12)]
ROWS = sorted(row for one in ITEMS for row in one.rows())


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")


def recipe(data: Sequence[dict[str, Any]], evaluation: dict[str, Any] | None = None, **tables: Any) -> Recipe:
    content = tiny_content()
    content.pop("evaluation")
    more = {} if evaluation is None else {"evaluation": evaluation}
    return Recipe.parse({**content, "data": list(data), **more, **tables})


def views(data: Sequence[dict[str, Any]], evaluation: dict[str, Any] | None = None, **tables: Any) -> Views:
    return build_views(recipe(data, evaluation, **tables))


def saved(table: Dataset, path: Path) -> str:
    """A table in the form that its path's name asks for."""
    writers = {".parquet": table.to_parquet, ".jsonl": table.to_json, ".csv": table.to_csv}
    if path.suffix == ".tsv":
        table.to_csv(str(path), sep="\t")
    else:
        writers.get(path.suffix, table.save_to_disk)(str(path))
    return str(path)


MINI = {"kind": "collection", "name": "miniqa-r", "languages": ["de", "en"]}


class TestKinds:
    """Each kind of table reads what its builder reads."""

    def test_collection(self) -> None:
        """By name, in some of its languages."""
        found = views([MINI]).train
        assert view_rows(found) == view_rows(ParallelDataset.from_collection(miniqa_r(), ["de", "en"]))

    @pytest.mark.parametrize("name", ["folder", "table.parquet", "table.jsonl", "table.csv", "table.tsv"])
    def test_wide(self, name: str, tmp_path: Path) -> None:
        """A folder of save_to_disk, or a file in several formats."""
        path = saved(wide_table(ITEMS), tmp_path / name)
        found = views([{"kind": "wide", "path": path}]).train
        assert sorted(view_rows(found)) == ROWS
        assert found.collections == {Path(name).stem: 12}

    @pytest.mark.parametrize("name", ["table.csv", "table.tsv"])
    def test_texts_stay_as_they_are(self, name: str, tmp_path: Path) -> None:
        """What looks like a missing value or a quotation is a text like others; an empty field is none."""
        texts = ["NA", "None", '"Hamlet" author?', 'he said "no', "null"]
        lines = [["query_en", "passage_en", "query_de", "passage_de"], *([f"{n}", f"p {n}", *2 * [""]] for n in texts)]
        if name.endswith(".tsv"):
            content = "\n".join("\t".join(line) for line in lines)
        else:
            content = "\n".join(",".join('"' + field.replace('"', '""') + '"' for field in line) for line in lines)
        (tmp_path / name).write_text(content + "\n", encoding="utf-8")
        found = views([{"kind": "wide", "path": str(tmp_path / name), "languages": ["en"]}]).train
        assert sorted(row[0] for row in view_rows(found)) == sorted(texts)

    def test_long(self, tmp_path: Path) -> None:
        """With a name of its own, and some of the languages."""
        path = saved(long_table(ITEMS), tmp_path / "table.parquet")
        found = views([{"kind": "long", "path": path, "name": "mine", "languages": ["de", "es"]}]).train
        assert (found.collections, found.languages) == ({"mine": 12}, ("de", "es"))

    def test_pairs(self, tmp_path: Path) -> None:
        """A path for each pair, query language first."""
        pairs = {
            pair: saved(table, tmp_path / f"{pair}.parquet") for pair, table in pair_tables(ITEMS, linked=True).items()
        }
        assert sorted(view_rows(views([{"kind": "pairs", "pairs": pairs}]).train)) == ROWS

    @pytest.mark.parametrize("by", ["path", "folders"])
    def test_beir(self, by: str, tmp_path: Path) -> None:
        """One folder with all languages, or a folder for each."""
        for code in ("de", "en"):
            write_beir(tmp_path / code, {"q": f"query {code}"}, {"d": f"passage {code}"}, [("q", "d", 1)])
        where: Any = str(tmp_path) if by == "path" else {code: str(tmp_path / code) for code in ("de", "en")}
        found = views([{"kind": "beir", by: where, "languages": ["de", "en"]}]).train
        assert ("query de", "passage en", "1") in view_rows(found)
        assert found.collections == {"beir": 1}

    def test_mmarco(self, tmp_path: Path) -> None:
        """A local copy of the hub's layout."""
        names = {"german": "de", "english": "en"}
        write_mmarco(
            tmp_path,
            {name: {1: f"query {code}", 2: f"other {code}"} for name, code in names.items()},
            {name: {7: f"passage {code}", 8: f"negative {code}"} for name, code in names.items()},
            [(1, 7, 8), (2, 8, 7)],
        )
        found = views([{"kind": "mmarco", "path": str(tmp_path), "max_items": 1}]).train
        assert ("query de", "passage en", "negative en", "1") in view_rows(found)
        assert (found.num_items, found.languages) == (1, ("de", "en"))
        without = views([{"kind": "mmarco", "path": str(tmp_path), "negatives": 0, "languages": ["en"]}]).train
        assert without.column_names == ["query", "passage", "label"]

    @pytest.mark.parametrize("loss", [{"positives": "parallel"}, {"consistency": 0.1}])
    def test_parallel(self, loss: dict[str, Any]) -> None:
        """A loss that needs every row in another language gets it."""
        assert "passage_parallel" in views([MINI], loss=loss).train.column_names
        assert "passage_parallel" not in views([MINI]).train.column_names


class TestJoined:
    """Several tables, shares of them, and items that are held out."""

    @pytest.fixture
    def two(self, tmp_path: Path) -> list[dict[str, Any]]:
        """24 and 6 items."""
        return [
            {"kind": "wide", "path": saved(wide_table(many), tmp_path / f"{name}.parquet")}
            for name, many in (
                ("large", [item(f"l{n}", "de en") for n in range(24)]),
                ("small", [item(f"s{n}", "de en es") for n in range(6)]),
            )
        ]

    def test_join(self, two: list[dict[str, Any]]) -> None:
        """One view of all, with the recipe's temperature."""
        found = views(two, sampling={"temperature": 3.0}).train
        assert found.collections == {"large": 24, "small": 6}
        assert found.training_rows.temperature == 3.0

    def test_one_name_twice(self, two: list[dict[str, Any]]) -> None:
        """Data of one name cannot be told apart."""
        with pytest.raises(RecipeError, match="data: 'large' is there twice; give the tables a name"):
            views([two[0], two[0]])

    def test_fraction(self, two: list[dict[str, Any]]) -> None:
        """A share of the items of one table; others are whole; a smaller share is part of a larger one."""
        texts = {}
        for fraction in (0.25, 0.5):
            found = views([{**two[0], "fraction": fraction}, two[1]]).train
            assert found.collections == {"large": round(24 * fraction), "small": 6}
            texts[fraction] = set(found[:]["query"])
        assert texts[0.25] < texts[0.5]

    def test_fraction_by_seed(self, two: list[dict[str, Any]]) -> None:
        """Another training seed takes other items."""
        tables = [{**two[0], "fraction": 0.5}]
        by_seed = [
            set(views(tables, training={"steps": 1, "seed": seed}).train[:]["query"]) for seed in (0, 0, 1)
        ]  # fmt: skip
        assert by_seed[0] == by_seed[1] != by_seed[2]

    def test_held_out(self, two: list[dict[str, Any]]) -> None:
        """Nothing that is held out is trained on; together they are all."""
        found = views(two, {"held_out": 0.2})
        assert found.held_out is not None
        train, held_out = set(found.train[:]["query"]), set(found.held_out[:]["query"])
        assert not train & held_out
        assert train | held_out == set(views(two).train[:]["query"])
        assert found.held_out.num_items == 6
        assert found.held_out.training_rows.evaluation
        assert not found.train.training_rows.evaluation

    def test_held_out_depends_on_its_own_seed_only(self, two: list[dict[str, Any]]) -> None:
        """Fractions, training languages and training seeds are compared on the same items."""

        def held_out(tables: list[dict[str, Any]], seed: int = 0, **more: Any) -> set[str]:
            found = views(tables, {"held_out": 6, "languages": ["de", "en"], "seed": seed}, **more).held_out
            assert found is not None
            return set(found[:]["query"])

        first = held_out(two)
        assert held_out([{**two[0], "fraction": 0.1}, two[1]]) == first
        assert held_out(two, training={"steps": 1, "seed": 5}) == first
        assert held_out(two, sampler={"languages": ["de"]}) == first
        assert held_out(two, seed=1) != first

    @pytest.mark.parametrize(
        ("evaluation", "sampler", "languages"),
        [
            ({}, {}, ("de", "en", "es")),
            ({}, {"languages": ["de", "en"]}, ("de", "en")),
            ({"languages": ["en"]}, {}, ("en",)),
        ],
    )
    def test_languages_of_the_evaluation(
        self, evaluation: Any, sampler: Any, languages: tuple[str, ...], tmp_path: Path
    ) -> None:
        """Its own, else those of the training, else all."""
        path = saved(wide_table([item(str(n), "de en es") for n in range(12)]), tmp_path / "table.parquet")
        found = views([{"kind": "wide", "path": path}], {"held_out": 4, **evaluation}, sampler=sampler)
        assert found.held_out is not None
        assert found.held_out.languages == languages
        assert found.train.languages == ("de", "en", "es")

    @pytest.mark.parametrize(
        ("table", "key", "value"),
        [
            ("sampler", "languages", ["de", "fr"]),
            ("sampler", "language_weights", {"fr": 1.0}),
            ("evaluation", "languages", ["fr"]),
        ],
    )
    def test_unknown_language(self, two: list[dict[str, Any]], table: str, key: str, value: Any) -> None:
        """Named with its key, and with what there is."""
        tables: dict[str, Any] = {"evaluation": {"held_out": 4}}
        tables.setdefault(table, {})[key] = value
        with pytest.raises(RecipeError, match=rf"{table}\.{key}: the data has no language 'fr'; it has de, en, es"):
            views(two, **tables)

    def test_described(self, two: list[dict[str, Any]]) -> None:
        """What tells data apart is plain JSON, the same for the same data."""
        described = views(two, {"held_out": 6}).describe()
        assert json.loads(json.dumps(described)) == described == views(two, {"held_out": 6}).describe()
        assert sum([*described["train"].values(), *described["held_out"].values()]) == 30

    def test_other_texts_are_other_data(self, tmp_path: Path) -> None:
        """As many rows with other passages are told apart."""
        found = []
        for shift in (0, 1):
            table = wide_table(ITEMS)
            texts = table["passage_de"][shift:] + table["passage_de"][:shift]
            table.remove_columns("passage_de").add_column("passage_de", texts).to_parquet(str(tmp_path / "t.parquet"))
            found.append(views([{"kind": "wide", "path": str(tmp_path / "t.parquet")}]).describe())
        assert found[0].pop("sample") != found[1].pop("sample")
        assert found[0] == found[1]

    def test_held_out_too_much(self, two: list[dict[str, Any]]) -> None:
        """Nothing would be left."""
        with pytest.raises(RecipeError, match=r"evaluation\.held_out: cannot hold out 100 of 30 items"):
            views(two, {"held_out": 100})


class TestPaths:
    """What is not there is found before anything is loaded."""

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ({"kind": "wide", "path": "gone.parquet"}, r"data\.0\.path: there is no file or folder gone\.parquet"),
            ({"kind": "beir", "path": "gone"}, r"data\.0\.path: there is no"),
            ({"kind": "beir", "folders": {"en": "gone"}}, r"data\.0\.folders\.en: there is no"),
            ({"kind": "mmarco", "path": "gone"}, r"data\.0\.path: there is no"),
            ({"kind": "pairs", "pairs": {"en-de": "gone"}}, r"data\.0\.pairs\.en-de: there is no"),
            ({"kind": "long", "path": "notes.txt"}, r"data\.0\.path: notes\.txt must be a folder of .*\.parquet"),
        ],
    )
    def test_data(self, table: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The key, and the path as it is written."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "notes.txt").touch()
        (tmp_path / "tiny").mkdir()
        with pytest.raises(RecipeError, match=message):
            check_paths(recipe([table]))

    @pytest.mark.parametrize("name", ["./gone", "/gone/far", "~/gone", "some/where/gone"])
    def test_model(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What can be no name on the hub must be a directory."""
        monkeypatch.chdir(tmp_path)
        with pytest.raises(RecipeError, match=r"model\.name: there is no directory"):
            check_paths(recipe([MINI], model={"name": name}))
        check_paths(recipe([MINI], model={"name": "owner/name"}))

    def test_no_table(self, tmp_path: Path) -> None:
        """A file that is not what its name says; a folder with several tables."""
        (tmp_path / "bad.parquet").write_text("no parquet")
        with pytest.raises(RecipeError, match=r"data\.0\.path: .*bad\.parquet cannot be read"):
            views([{"kind": "wide", "path": str(tmp_path / "bad.parquet")}])
        DatasetDict({"train": wide_table(ITEMS), "dev": wide_table(ITEMS)}).save_to_disk(str(tmp_path / "several"))
        with pytest.raises(RecipeError, match=r"several holds several tables \(train, dev\)"):
            views([{"kind": "wide", "path": str(tmp_path / "several")}])


class TestRetrievalParts:
    """Held-out items as a collection to search in."""

    def test_items(self) -> None:
        """Every query has its passage, in each of its languages; questions are linked by item."""
        parts = {part.language: part for part in item_parts(ParallelDataset.from_wide(wide_table(ITEMS)))}
        assert list(parts) == ["de", "en", "es"]
        assert [len(part.queries) for part in parts.values()] == [12, 12, 4]
        assert set(parts["es"].query_ids) < set(parts["de"].query_ids) == set(parts["en"].query_ids)
        for part in parts.values():
            for query, positions in zip(part.queries, part.relevant, strict=True):
                assert [part.passages[place] for place in positions] == [query.replace("query", "passage")]

    def test_a_passage_of_two_questions(self) -> None:
        """It is one candidate, relevant for both."""
        table = Dataset.from_dict({"query_en": ["a", "b"], "passage_en": ["same", "same"]})
        (part,) = item_parts(ParallelDataset.from_wide(table))
        assert (part.passages, part.relevant) == (("same",), ((0,), (0,)))

    def test_a_question_with_two_passages(self) -> None:
        """It is asked once, in all languages, and both passages are right."""
        table = Dataset.from_dict(
            {
                "query_en": ["a", "a", "b"],
                "passage_en": ["one", "two", "three"],
                "query_de": ["ä", "ä", None],
                "passage_de": ["eins", "zwei", None],
            }
        )
        german, english = item_parts(ParallelDataset.from_wide(table))
        right = {
            query: (query_id, {english.passages[place] for place in positions})
            for query_id, query, positions in zip(english.query_ids, english.queries, english.relevant, strict=True)
        }
        assert {query: passages for query, (_, passages) in right.items()} == {"a": {"one", "two"}, "b": {"three"}}
        assert (german.queries, german.relevant) == (("ä",), ((0, 1),))
        assert german.query_ids == (right["a"][0],)

    def test_questions_that_are_the_same_by_way_of_others(self) -> None:
        """Items 0 and 1 share an English question, 1 and 2 a German one: all three are one question."""
        table = Dataset.from_dict(
            {
                "query_en": ["a", "a", "c"],
                "passage_en": ["p0", "p1", "p2"],
                "query_de": ["ä", "ö", "ö"],
                "passage_de": ["d0", "d1", "d2"],
            }
        )
        for part in item_parts(ParallelDataset.from_wide(table)):
            assert (len(part.queries), part.relevant) == (1, ((0, 1, 2),))

    def test_languages_with_one_half(self) -> None:
        """A language with queries only is not searched."""
        pairs = {"en-de": Dataset.from_dict({"q": ["a"], "p": ["eins"]})}
        with pytest.raises(TrainingDataError, match="no language of the items has both"):
            item_parts(ParallelDataset.from_dict(pairs))


class TestEvaluator:
    """Which retrieval metrics a recipe gets."""

    def test_none_for_the_loss(self) -> None:
        """The held-out loss needs no evaluator."""
        one = recipe([MINI], {"held_out": 8})
        assert build_evaluator(one, build_views(one)) is None

    def test_held_out(self) -> None:
        """A metric alone: on the held-out items."""
        one = recipe([MINI], {"held_out": 8, "metric": "multilingual_map"})
        evaluator = build_evaluator(one, build_views(one))
        assert evaluator is not None
        assert evaluator.primary_metric == "held-out_multilingual_map"
        assert evaluator.get_config_dict()["questions"] == 16

    def test_collection(self) -> None:
        """A collection by name, made small; a rank distance is better if it is lower."""
        evaluation = {"collection": "miniqa-r", "metric": "rank_distance", "languages": ["en", "tr"], "max_queries": 5}
        one = recipe([MINI], evaluation)
        evaluator = build_evaluator(one, build_views(one))
        assert evaluator is not None
        assert (evaluator.primary_metric, evaluator.greater_is_better) == ("miniqa-r_rank_distance", False)
        assert evaluator.get_config_dict()["questions"] == 10

    def test_languages_of_training(self) -> None:
        """Where none are named, a collection is searched in the languages that are trained on."""
        one = recipe([MINI], {"collection": "miniqa-r", "metric": "multilingual_map"}, sampler={"languages": ["de"]})
        evaluator = build_evaluator(one, build_views(one))
        assert evaluator is not None
        assert evaluator.get_config_dict()["questions"] == 48

    def test_beside_the_loss(self) -> None:
        """With a collection, retrieval metrics are logged though the loss decides."""
        one = recipe([MINI], {"held_out": 8, "collection": "miniqa-r"})
        evaluator = build_evaluator(one, build_views(one))
        assert evaluator is not None
        assert evaluator.name == "miniqa-r"

    def test_not_defined(self) -> None:
        """A metric that the data does not define: one language has no cross-lingual one."""
        one = recipe([MINI], {"held_out": 8, "metric": "cross_lingual_map", "languages": ["en"]})
        with pytest.raises(RecipeError, match=r"evaluation\.metric: main_metric must be one of"):
            build_evaluator(one, build_views(one))

    def test_a_language_twice(self) -> None:
        """The message is about the languages, not about the metric."""
        one = recipe([MINI], {"collection": "miniqa-r", "metric": "multilingual_map", "languages": ["en", "de", "en"]})
        with pytest.raises(RecipeError, match=r"evaluation\.languages: 'en' is there twice"):
            build_evaluator(one, build_views(one))


def test_fraction_keeps_texts_apart_from_held_out() -> None:
    """Items that share a text are held out together, whatever fraction is trained on."""
    table = Dataset.from_dict(
        {"query_en": [f"q{n // 2}" for n in range(20)], "passage_en": [f"p{n}" for n in range(20)]}
    )
    train, held_out = ParallelDataset.from_wide(table).split_items(5)
    assert not set(train[:]["query"]) & set(held_out[:]["query"])
    assert np.unique(held_out[:]["query"]).size == 3
