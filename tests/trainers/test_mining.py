"""Mined negatives: those that sorting all scores gives, never an answer, in the right language; gone on with."""

from __future__ import annotations

import importlib.util
import json
import logging
import pickle
import random
from collections import Counter

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Value
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import sentence_transformer

from mteb_hybrid import trainers
from mteb_hybrid.errors import EmbeddingError, OptionError, TrainingDataError
from mteb_hybrid.trainers import HybridBatchSampler, ParallelDataset, mine_parallel_hard_negatives
from mteb_hybrid.trainers.mining import languages as languages_module

LANGUAGES = ("de", "en", "zh")


class LookUp(torch.nn.Module):
    """A model with a vector for each text; counts what it encodes in which role, and can fail at a text."""

    def __init__(self, vectors, fails_at=None):
        super().__init__()
        self.vectors = {text.strip(): np.asarray(vector, dtype=np.float32) for text, vector in vectors.items()}
        self.weight = torch.nn.Parameter(torch.as_tensor(np.stack(list(self.vectors.values()))).sum(dim=0))
        self.seen = Counter()
        self.prompts_seen = set()
        self.fails_at = fails_at

    def encode_query(self, texts, **options):
        return self._encode("query", texts, **options)

    def encode_document(self, texts, **options):
        return self._encode("passage", texts, **options)

    def _encode(self, role, texts, prompt, batch_size, show_progress_bar, normalize_embeddings, convert_to_numpy):
        assert normalize_embeddings
        assert convert_to_numpy
        if self.fails_at in texts:
            raise KeyboardInterrupt
        self.prompts_seen.add((role, prompt))
        self.seen.update((role, text) for text in texts)
        found = np.stack([self.vectors[text.strip()] for text in texts])
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def drawn_items(seed, count=14) -> list[dict[str, tuple[str | None, str | None]]]:
    """Items as query and passage by language; some lack a language or a role in it, some share a text."""
    rng = np.random.default_rng(seed)
    items = []
    for number in range(count):
        item = {}
        for language in rng.permutation(LANGUAGES)[: rng.integers(1, 4)].tolist():
            query, passage = f"{language} query {number}", f"{language} passage {number}"
            if items and rng.random() < 0.25:
                other = items[rng.integers(len(items))].get(language, (None, None))
                if rng.random() < 0.5:
                    query = f" {other[0]} " if other[0] else query
                else:
                    passage = other[1] or passage
            if rng.random() < 0.15:
                query, passage = (None, passage) if rng.random() < 0.5 else (query, None)
            item[language] = (query, passage)
        roles = [{language for language, texts in item.items() if texts[role]} for role in (0, 1)]
        if all(roles):
            items.append(item)
    return items


def as_view(items, **options) -> ParallelDataset:
    table = {}
    for role, name in enumerate(("query", "passage")):
        for language in LANGUAGES:
            table[f"{name}_{language}"] = [item.get(language, (None, None))[role] for item in items]
    kept = {column: texts for column, texts in table.items() if any(texts)}
    return ParallelDataset.from_wide(Dataset.from_dict(kept), **options)


def drawn_vectors(items, seed, dimension=5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    texts = sorted({text.strip() for item in items for pair in item.values() for text in pair if text})
    return {text: rng.normal(size=dimension) for text in texts}


def families(items) -> list[set[int]]:
    """Of each item the items that share a text with it, directly or over others: found by going on until it is all."""
    texts = [{text.strip() for pair in item.values() for text in pair if text} for item in items]
    found = []
    for number in range(len(items)):
        family, before = {number}, None
        while family != before:
            before = set(family)
            held = set().union(*(texts[member] for member in family))
            family = {other for other in range(len(items)) if texts[other] & held}
        found.append(family)
    return found


def by_sorting(items, vectors, language, pool, choice) -> dict[str, list[str]]:
    """Hard negatives of every query of a language, with the definition written out."""
    searched = [language] if pool == "monolingual" else LANGUAGES
    owned = [{item[x][1] for x in searched if x in item and item[x][1]} for item in items]
    passages = sorted(set().union(*owned))
    kin = families(items)
    queries = {}
    for number, item in enumerate(items):
        if language in item and item[language][0]:
            queries.setdefault(item[language][0].strip(), []).append(number)
    unit = {text: vector / np.linalg.norm(vector) for text, vector in vectors.items()}
    result = {}
    for query, members in queries.items():
        right = set().union(*(owned[number] for number in members))
        if not right:
            continue
        related = set().union(*(owned[other] for number in members for other in kin[number]))
        score = {passage: float(unit[query] @ unit[passage]) for passage in passages}
        worst = min(score[passage] for passage in right)
        last = min(choice.get("range_max", 100), len(passages) - len(right))
        ranked = sorted(passages, key=lambda passage: -score[passage])[: last + len(right)]
        left = [
            passage
            for passage in ranked
            if passage not in right
            and score[passage] <= worst - choice.get("absolute_margin", -10)
            and choice.get("min_score", -10) <= score[passage] <= choice.get("max_score", 10)
            and ("relative_margin" not in choice or score[passage] <= worst - abs(worst) * choice["relative_margin"])
        ]
        window = left[choice.get("range_min", 0) : last]
        result[query] = [passage for passage in window if passage not in related][: choice.get("num_negatives", 1)]
    return result


def negatives_of(row) -> list[str]:
    return [text for column, text in row.items() if column.startswith("negative")]


def read_rows(view):
    """Every row with the language of its passage."""
    decoded = view.training_rows.triples.decode(np.arange(len(view)))
    return zip(view, [view.languages[code] for code in decoded.passage], strict=True)


CHOICES = [
    {},
    {"num_negatives": 3},
    {"range_min": 2, "range_max": 5, "num_negatives": 2},
    {"absolute_margin": 0.1},
    {"absolute_margin": 0.05, "max_score": 0.5, "min_score": -0.5, "num_negatives": 3},
]


@pytest.mark.parametrize("pool", ["monolingual", "multilingual"])
@pytest.mark.parametrize("choice", CHOICES)
def test_negatives_are_those_that_sorting_all_scores_gives(pool, choice):
    """Top passages that are no answers, within ranks, margins and scores; items without enough lose the language."""
    mined_rows = 0
    for seed in range(2):
        items = drawn_items(seed)
        vectors = drawn_vectors(items, seed)
        view = mine_parallel_hard_negatives(
            as_view(items), LookUp(vectors), pool=pool, use_faiss=False, missing="drop", **choice
        )
        oracle = {language: by_sorting(items, vectors, language, pool, choice) for language in LANGUAGES}
        wanted = Counter()
        for item in items:
            for asked, (query, _) in item.items():
                for answered, (_, passage) in item.items():
                    if query and passage:
                        # monolingual: the negatives of the passage, found with the query in its language
                        source = asked if pool == "multilingual" else answered
                        text = item[source][0]
                        found = oracle[source].get(text.strip(), []) if text else []
                        if len(found) == choice.get("num_negatives", 1):
                            wanted[(query, passage, *found)] += 1
        got = Counter((row["query"], row["passage"], *negatives_of(row)) for row in view)
        assert got == wanted
        mined_rows += len(view)
    assert mined_rows > 30


def test_a_relative_margin_is_a_share_of_the_positives_score():
    """With positives of score .8, a margin of .1 leaves .72 and below: by hand."""
    vectors = {"q0": [1, 0], "q1": [1, 0.001]}
    for name, score in (("p0", 0.8), ("p1", 0.7), ("near", 0.75), ("far", 0.1), ("q2", 0.0), ("q3", -0.1)):
        vectors[name] = [score, np.sqrt(1 - score**2)]
    items = [
        {"en": ("q0", "p0")}, {"en": ("q1", "p1")}, {"en": ("q2", "near")}, {"en": ("q3", "far")},
    ]  # fmt: skip
    view = as_view(items)
    plain = mine_parallel_hard_negatives(view, LookUp(vectors), use_faiss=False)
    margin = mine_parallel_hard_negatives(view, LookUp(vectors), use_faiss=False, relative_margin=0.1)
    assert {row["query"]: row["negative"] for row in plain.select([0, 1])} == {"q0": "near", "q1": "p0"}
    assert {row["query"]: row["negative"] for row in margin.select([0, 1])} == {"q0": "p1", "q1": "far"}


@pytest.mark.parametrize("pool", ["monolingual", "multilingual"])
@pytest.mark.parametrize("number", [1, 3])
def test_faiss_and_plain_search_agree(pool, number):
    items = drawn_items(5, 25)
    vectors = drawn_vectors(items, 5)
    options = {"pool": pool, "num_negatives": number, "range_max": 15}
    fast = mine_parallel_hard_negatives(as_view(items), LookUp(vectors), use_faiss=True, **options)
    plain = mine_parallel_hard_negatives(as_view(items), LookUp(vectors), use_faiss=False, **options)
    assert fast[:] == plain[:]
    assert fast.column_names[2:-1] == (["negative"] if number == 1 else ["negative_1", "negative_2", "negative_3"])


@given(
    seed=st.integers(0, 10_000),
    pool=st.sampled_from(["monolingual", "multilingual"]),
    strategy=st.sampled_from(["top", "random"]),
    number=st.integers(1, 3),
    margin=st.sampled_from([None, 0.3]),
)
@settings(max_examples=12, deadline=None)
def test_a_negative_is_never_an_answer(seed, pool, strategy, number, margin):
    """No passage of the item in any language, of its group, or of equal text; in a monolingual pool of its language."""
    items = drawn_items(seed, 12)
    try:
        view = mine_parallel_hard_negatives(
            as_view(items), LookUp(drawn_vectors(items, seed)), pool=pool, sampling_strategy=strategy,
            num_negatives=number, absolute_margin=margin, use_faiss=False, missing="drop", range_max=8,
        )  # fmt: skip
    except TrainingDataError as error:
        assert "no item has" in str(error)  # noqa: PT017 - some collections have nothing to mine
        return
    kin = families(items)
    holders = {}
    for number_of, item in enumerate(items):
        for language, (_, passage) in item.items():
            if passage:
                holders.setdefault(passage.strip(), set()).add((number_of, language))
    owners = {}
    for number_of, item in enumerate(items):
        for pair in item.values():
            for text in pair:
                if text:
                    owners.setdefault(text, set()).add(number_of)
    for row, answered in read_rows(view):
        family = set().union(*(kin[owner] for owner in owners[row["query"]] & owners[row["passage"]]))
        found = negatives_of(row)
        assert len({text.strip() for text in found}) == number
        for text in found:
            assert not {owner for owner, _ in holders[text.strip()]} & family
            if pool == "monolingual":
                assert answered in {language for _, language in holders[text.strip()]}


def test_known_groups_are_respected():
    """Items that the view counts as the same are no negatives of each other, though they share no text."""
    items = [{"en": (f"q{number}", f"p{number}")} for number in range(3)]
    vectors = {"q0": [1, 0, 0], "q1": [0, 1, 0], "q2": [0, 0, 1], "p0": [1, 0, 0], "p1": [0.9, 1, 0], "p2": [0.1, 0, 1]}
    plain = as_view(items)
    free = mine_parallel_hard_negatives(plain, LookUp(vectors), use_faiss=False)
    assert free[0]["negative"] == "p1"
    grouped = ParallelDataset(plain.blocks, groups=np.array([0, 0, 2]))
    assert mine_parallel_hard_negatives(grouped, LookUp(vectors), use_faiss=False)[0]["negative"] == "p2"


def test_a_large_group_leaves_the_hard_negatives_beyond_it():
    """However many passages of the group are nearer than the first real negative, that one is found."""
    items = [{"en": ("q", "p0")}, *({"en": (f"q{n}", f"p{n}"), "de": ("shared", f"d{n}")} for n in range(1, 40))]
    items[0]["de"] = ("shared", "d0")
    items += [{"en": (f"o{n}", f"other {n}")} for n in range(5)]
    vectors = drawn_vectors(items, 0, 8)
    for number in range(40):
        vectors[f"p{number}"] = vectors["q"] + 0.01 * vectors[f"p{number}"]
    view = mine_parallel_hard_negatives(as_view(items), LookUp(vectors), num_negatives=2, missing="drop", range_max=60)
    row = next(row for row in view if row["query"] == "q" and row["passage"] == "p0")
    assert all(text.startswith("other") for text in negatives_of(row))


def test_random_negatives_are_of_the_range_and_hang_on_the_seed():
    """Each is among the ranks asked for; another seed gives others; the global generator is left alone."""
    items = [{"en": (f"q{n}", f"p{n}")} for n in range(30)]
    vectors = drawn_vectors(items, 3)
    options = {"sampling_strategy": "random", "range_min": 1, "range_max": 8, "num_negatives": 2, "use_faiss": False}
    random.seed(1)
    before = random.getstate()
    first = mine_parallel_hard_negatives(as_view(items), LookUp(vectors), **options)
    assert random.getstate() == before
    random.seed(2)
    again = mine_parallel_hard_negatives(as_view(items), LookUp(vectors), **options)
    other = mine_parallel_hard_negatives(as_view(items), LookUp(vectors), seed=1, **options)
    assert first[:] == again[:]
    assert first[:] != other[:]
    window = by_sorting(items, vectors, "en", "monolingual", {**options, "num_negatives": 7})
    drawn = Counter()
    for row in first:
        assert set(negatives_of(row)) <= set(window[row["query"]])
        drawn.update(window[row["query"]].index(text) for text in negatives_of(row))
    assert len(drawn) == 7


def scarce_items():
    """Four items in English, two also in German, one of which lacks its German query."""
    items = [{"en": (f"q{n}", f"p{n}")} for n in range(4)]
    items[0]["de"] = ("dq0", "dp0")
    items[1]["de"] = (None, "dp1")
    return items


def test_random_passages_stand_in_where_none_is_found(caplog):
    """Every row of the view keeps its place; the log says how many there are."""
    items = scarce_items()
    view = as_view(items)
    with caplog.at_level(logging.WARNING):
        mined = mine_parallel_hard_negatives(view, LookUp(drawn_vectors(items, 0)), use_faiss=False)
    assert len(mined) == len(view)
    assert [row["query"] for row in mined] == [row["query"] for row in view]
    assert {row["passage"]: row["negative"] for row in mined if row["passage"].startswith("d")} == {
        "dp0": "dp1",
        "dp1": "dp0",
    }
    assert "1 of 2 passages in 'de' have fewer than 1 hard negatives: random passages stand in" in caplog.text


def test_random_passages_fill_up_what_is_found():
    """Mined ones stay in front, the others are different from them and no answers."""
    items = [{"en": (f"q{n}", f"p{n}")} for n in range(9)]
    vectors = drawn_vectors(items, 0)
    options = {"range_max": 8, "num_negatives": 3, "max_score": -0.2, "use_faiss": False}
    mined = mine_parallel_hard_negatives(as_view(items), LookUp(vectors), **options)
    oracle = by_sorting(items, vectors, "en", "monolingual", options)
    assert any(0 < len(found) < 3 for found in oracle.values())
    for row in mined:
        found = negatives_of(row)
        known = oracle[row["query"]]
        assert found[: len(known)] == known
        assert len({row["passage"], *found}) == 4


def test_too_few_passages_for_random_ones_is_an_error():
    items = scarce_items()
    view = as_view(items)
    with pytest.raises(TrainingDataError, match=r"'de'.*no 2 passages to draw at random.*'drop'"):
        mine_parallel_hard_negatives(view, LookUp(drawn_vectors(items, 0)), num_negatives=2, use_faiss=False)


def test_languages_without_negatives_are_dropped(caplog):
    """The passage of which none is found goes, and the item stays in its other languages and with its group."""
    items = scarce_items()
    view = as_view([*items, {"en": ("q2", "p5")}])  # shares a query
    vectors = {**drawn_vectors(items, 0), "p5": np.ones(5)}
    with caplog.at_level(logging.WARNING):
        mined = mine_parallel_hard_negatives(view, LookUp(vectors), use_faiss=False, missing="drop")
    before, after = ({(row["query"], row["passage"]) for row in one} for one in (view, mined))
    assert before - after == {("q1", "dp1")}
    assert after <= before
    assert "1 of 2 passages in 'de' have fewer than 1 hard negatives and are left out" in caplog.text
    same = {(a["label"] >> 2 == b["label"] >> 2) for a in mined for b in mined if {a["query"], b["query"]} == {"q2"}}
    assert same == {True}
    labels = {row["label"] >> 2 for row in mined}
    assert len(labels) == 4


def test_items_can_be_dropped_in_a_multilingual_pool():
    """Without a negative for its query, an item loses the query language; with none left, it goes."""
    items = [{"en": ("q0", "p0"), "de": ("dq0", "dp0")}, {"en": ("q1", "p1")}, {"en": ("q2", "p2")}]
    vectors = {text: [1.0, 0.0] for text in ("q0", "p0", "q1", "p1", "dp0")} | {"dq0": [0, 1], "q2": [-1, 0.1]}
    vectors["p2"] = [1.0, 0.01]
    mined = mine_parallel_hard_negatives(
        as_view(items), LookUp(vectors), pool="multilingual", use_faiss=False, missing="drop", min_score=0.5
    )
    assert {row["query"] for row in mined} == {"q0", "q1"}
    assert {(row["query"], row["passage"]) for row in mined} == {("q0", "p0"), ("q0", "dp0"), ("q1", "p1")}


def test_missing_negatives_can_be_an_error():
    items = scarce_items()
    with pytest.raises(TrainingDataError, match="1 of 2 passages in 'de' have fewer than 1 hard"):
        mine_parallel_hard_negatives(as_view(items), LookUp(drawn_vectors(items, 0)), use_faiss=False, missing="error")


@pytest.mark.parametrize("missing", ["random", "drop"])
def test_nothing_to_mine_is_an_error(missing):
    """One item, or margins that nothing keeps: it is said, and random passages are not sold as hard ones."""
    one = [{"en": ("q", "p")}]
    with pytest.raises(TrainingDataError, match=r"no item has 1 hard|no 1 passages to draw"):
        mine_parallel_hard_negatives(as_view(one), LookUp(drawn_vectors(one, 0)), use_faiss=False, missing=missing)
    several = [{"en": (f"q{n}", f"p{n}")} for n in range(5)]
    with pytest.raises(TrainingDataError, match=r"no item has 1 hard negatives.*margins"):
        mine_parallel_hard_negatives(
            as_view(several), LookUp(drawn_vectors(several, 0)), use_faiss=False, missing=missing, absolute_margin=3
        )


def test_pairs_of_different_languages_have_only_a_multilingual_pool():
    pairs = Dataset.from_dict({"query": ["q0", "q1", "q2"], "passage": ["p0", "p1", "p2"]})
    view = ParallelDataset.from_dict({"en-de": pairs})
    model = LookUp(drawn_vectors([{"en": (f"q{n}", f"p{n}")} for n in range(3)], 0))
    with pytest.raises(TrainingDataError, match="pool='multilingual'"):
        mine_parallel_hard_negatives(view, model, use_faiss=False)
    mined = mine_parallel_hard_negatives(view, model, use_faiss=False, pool="multilingual", missing="error")
    assert mined.column_names == ["query", "passage", "negative", "label"]


# --- on disk ---


@pytest.mark.parametrize("pool", ["monolingual", "multilingual"])
def test_a_killed_run_goes_on_after_the_last_finished_language(pool, tmp_path):
    """Nothing of a finished language is encoded again, nor the passages of a pool; the result is that of one go."""
    items = drawn_items(2, 20)
    vectors = drawn_vectors(items, 2)
    whole = mine_parallel_hard_negatives(as_view(items), LookUp(vectors), pool=pool)
    last = next(item["zh"][0] for item in items if item.get("zh", (None,))[0])
    killed = LookUp(vectors, fails_at=last)
    with pytest.raises(KeyboardInterrupt):
        mine_parallel_hard_negatives(as_view(items), killed, pool=pool, folder=tmp_path)
    assert {text.strip()[:2] for role, text in killed.seen if role == "query"} == {"de", "en"}
    again = LookUp(vectors)
    view = mine_parallel_hard_negatives(as_view(items), again, pool=pool, folder=tmp_path)
    assert view[:] == whole[:]
    assert {text.strip()[:2] for _, text in again.seen} == {"zh"}
    assert {role for role, _ in again.seen} == {"query"}
    third = LookUp(vectors)
    assert mine_parallel_hard_negatives(as_view(items), third, pool=pool, folder=tmp_path)[:] == whole[:]
    assert not third.seen
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"key.json", "negatives-de.npz", "negatives-en.npz", "negatives-zh.npz"}


def test_every_text_is_encoded_once(tmp_path):
    """In a multilingual pool as well, where each language of queries searches all passages."""
    items = drawn_items(4, 20)
    model = LookUp(drawn_vectors(items, 4))
    mine_parallel_hard_negatives(as_view(items), model, pool="multilingual")
    assert set(model.seen.values()) == {1}


def test_texts_are_embedded_in_parts(tmp_path, monkeypatch):
    """What was embedded of a language's passages before a kill is read back."""
    monkeypatch.setattr(languages_module, "_TOGETHER", 4)
    items = [{"en": (f"q{n}", f"p{n}")} for n in range(10)]
    vectors = drawn_vectors(items, 0)
    with pytest.raises(KeyboardInterrupt):
        mine_parallel_hard_negatives(as_view(items), LookUp(vectors, fails_at="p9"), folder=tmp_path, use_faiss=False)
    model = LookUp(vectors)
    view = mine_parallel_hard_negatives(as_view(items), model, folder=tmp_path, use_faiss=False)
    assert {text for role, text in model.seen if role == "passage"} == {"p8", "p9"}
    assert view[:] == mine_parallel_hard_negatives(as_view(items), LookUp(vectors), use_faiss=False)[:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_negatives": 2}, r"num_negatives 1 \(now 2\)"),
        ({"pool": "multilingual"}, r"pool 'monolingual' \(now 'multilingual'\)"),
        ({"relative_margin": 0.1}, "relative_margin None"),
        ({"query_prompt": "query: "}, "query_prompt None"),
        ({"sampling_strategy": "random"}, "sampling_strategy 'top'.*seed None"),
    ],
)
def test_a_folder_of_other_settings_is_refused(change, message, tmp_path):
    items = drawn_items(1)
    model = LookUp(drawn_vectors(items, 1))
    mine_parallel_hard_negatives(as_view(items), model, folder=tmp_path, use_faiss=False)
    with pytest.raises(TrainingDataError, match=message):
        mine_parallel_hard_negatives(as_view(items), model, folder=tmp_path, use_faiss=False, **change)


def test_a_folder_of_another_model_or_other_texts_is_refused(tmp_path):
    items = drawn_items(1)
    model = LookUp(drawn_vectors(items, 1))
    first = mine_parallel_hard_negatives(as_view(items), model, folder=tmp_path, use_faiss=False)
    with pytest.raises(TrainingDataError, match="mined with model '"):
        mine_parallel_hard_negatives(as_view(items), LookUp(drawn_vectors(items, 2)), folder=tmp_path, use_faiss=False)
    with pytest.raises(TrainingDataError, match=r"negatives-de\.npz holds negatives of other texts"):
        mine_parallel_hard_negatives(as_view(items[:-3]), model, folder=tmp_path, use_faiss=False)
    # what is done with missing ones is no part of it
    again = mine_parallel_hard_negatives(as_view(items), model, folder=tmp_path, use_faiss=False, missing="random")
    assert again[:] == first[:]


def test_a_damaged_file_is_mined_anew(tmp_path, caplog):
    items = drawn_items(1)
    model = LookUp(drawn_vectors(items, 1))
    first = mine_parallel_hard_negatives(as_view(items), model, folder=tmp_path, use_faiss=False)
    path = tmp_path / "negatives-en.npz"
    path.write_bytes(path.read_bytes()[:40])
    model.seen.clear()
    with caplog.at_level(logging.WARNING):
        again = mine_parallel_hard_negatives(as_view(items), model, folder=tmp_path, use_faiss=False)
    assert again[:] == first[:]
    assert "negatives-en.npz cannot be read" in caplog.text
    assert {text.strip()[:2] for _, text in model.seen} == {"en"}
    (tmp_path / "key.json").write_text("{", encoding="utf-8")
    with pytest.raises(TrainingDataError, match=r"key\.json cannot be read"):
        mine_parallel_hard_negatives(as_view(items), model, folder=tmp_path, use_faiss=False)


def test_the_folder_says_what_it_is(tmp_path):
    items = drawn_items(1)
    mine_parallel_hard_negatives(
        as_view(items), LookUp(drawn_vectors(items, 1)), folder=tmp_path, use_faiss=False, range_max=9
    )
    key = json.loads((tmp_path / "key.json").read_text(encoding="utf-8"))
    assert key["pool"] == "monolingual"
    assert key["range_max"] == 9
    assert "seed" not in key


# --- the view ---


def test_options_of_the_view_are_kept_and_views_go_on():
    """Parallel columns, temperature and evaluation stay; the mined view selects, restricts, joins and pickles."""
    items = drawn_items(6, 20)
    vectors = drawn_vectors(items, 6)
    plain = as_view(items, parallel=True, temperature=2.0).for_evaluation()
    for pool in ("monolingual", "multilingual"):
        mined = mine_parallel_hard_negatives(plain, LookUp(vectors), pool=pool, use_faiss=False)
        assert mined.parallel
        assert mined.training_rows.temperature == 2.0
        assert mined.training_rows.evaluation
        assert mined.num_items == plain.num_items
        without = {name: column for name, column in mined[:].items() if name != "negative"}
        assert without == plain[:]
        whole = {(row["query"], row["passage"]): row["negative"] for row in mined}
        some = mined.select_items(np.arange(0, mined.num_items, 2))
        part = mined.restrict(["de", "en"])
        for row in (*some, *part):
            assert row["negative"] == whole[row["query"], row["passage"]]
        assert pickle.loads(pickle.dumps(mined))[5] == mined[5]
        assert len(part) < len(mined)


def test_views_that_were_mined_in_different_pools_can_be_joined():
    """Each row has the negatives that it had."""
    items = drawn_items(6, 20)
    vectors = drawn_vectors(items, 6)
    views = [
        mine_parallel_hard_negatives(as_view(items), LookUp(vectors), pool=pool, use_faiss=False)
        for pool in ("monolingual", "multilingual")
    ]
    joined = ParallelDataset.join(views)
    for column in ("query", "negative"):
        assert joined[:][column] == views[0][:][column] + views[1][:][column]


def test_negatives_that_were_there_are_replaced():
    table = {"query_en": ["a", "b"], "passage_en": ["c", "d"], "negative_1_en": ["x", "y"], "negative_2_en": ["z", "w"]}
    view = ParallelDataset.from_wide(Dataset.from_dict(table))
    mined = mine_parallel_hard_negatives(view, LookUp({text: [1.0, 2.0] for text in "abcd"}), use_faiss=False)
    assert mined[:]["negative"] == ["d", "c"]
    assert view[:]["negative_1"] == ["x", "y"]


def test_tables_of_several_kinds_are_searched_together():
    """Short and long strings, and tables with a selection of rows, are one pool."""
    long = Dataset.from_dict(
        {"query_en": ["a", "b"], "passage_en": ["pa", "pb"]},
        features=Features({"query_en": Value("large_string"), "passage_en": Value("large_string")}),
    )
    short = Dataset.from_dict({"query_en": ["no", "c", "d"], "passage_en": ["no", "pc", "pd"]}).select([2, 1])
    view = ParallelDataset.join([ParallelDataset.from_wide(long), ParallelDataset.from_wide(short)])
    angle = {"a": 0.0, "pa": 0.5, "pc": 1.0, "c": 1.0, "b": 3.0, "pb": 3.0, "pd": 2.5, "d": 2.5}
    model = LookUp({text: [np.cos(one), np.sin(one)] for text, one in angle.items()})
    mined = mine_parallel_hard_negatives(view, model, use_faiss=False)
    assert dict(zip(mined[:]["query"], mined[:]["negative"], strict=True)) == {
        "a": "pc", "b": "pd", "d": "pb", "c": "pa",
    }  # fmt: skip


def test_negatives_are_rows_of_the_tables():
    """Nothing but integers is stored for them."""
    items = drawn_items(6, 20)
    mined = mine_parallel_hard_negatives(as_view(items), LookUp(drawn_vectors(items, 6)), use_faiss=False)
    for block in mined.blocks:
        for texts in (one for several in block.negatives.values() for one in several):
            assert isinstance(texts.rows, np.ndarray)
            assert texts.rows.dtype == np.int32
            assert texts.rows.shape == (block.count,)


# --- models and options ---


def test_the_models_own_prompts_are_used_unless_others_are_given(tmp_path):
    """Saved prompts give the negatives that the same prompts give when they are passed, and not those of none."""
    from sentence_transformers import SentenceTransformer

    items = [{"en": (f"{a}{b} c", f"{b}{a}{b} d")} for a in "pqrs" for b in "tuvw"]
    view = as_view(items)
    saved = {"query": "ask x ", "document": "say y "}
    path = sentence_transformer(tmp_path / "model", prompts=saved)
    model = SentenceTransformer(str(path), device="cpu")
    own = mine_parallel_hard_negatives(view, model)
    model.prompts = {"query": "", "document": ""}
    given = mine_parallel_hard_negatives(view, model, query_prompt="ask x ", passage_prompt="say y ")
    bare = mine_parallel_hard_negatives(view, model)
    assert own[:] == given[:]
    assert own[:] != bare[:]
    look = LookUp(drawn_vectors(items, 0))
    mine_parallel_hard_negatives(view, look, query_prompt="x", use_faiss=False)
    assert look.prompts_seen == {("query", "x"), ("passage", None)}


def test_nothing_is_printed_unless_asked(capfd):
    items = drawn_items(1)
    view, model = as_view(items), LookUp(drawn_vectors(items, 1))
    mine_parallel_hard_negatives(view, model, progress=False)
    assert capfd.readouterr() == ("", "")
    mine_parallel_hard_negatives(view, model, progress=False, verbose=True)
    assert "Metric" in capfd.readouterr().out


def test_missing_faiss_is_said_before_anything_is_done(monkeypatch):
    items = drawn_items(1)
    model = LookUp(drawn_vectors(items, 1))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "faiss" else find(name, *more))
    with pytest.raises(TrainingDataError, match=r'pip install "mteb-hybrid\[faiss\]".*use_faiss=False'):
        mine_parallel_hard_negatives(as_view(items), model)
    assert not model.seen
    mine_parallel_hard_negatives(as_view(items), model, use_faiss=False)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_embeddings_that_cannot_be_ranked_are_an_error(bad):
    items = drawn_items(1)
    vectors = drawn_vectors(items, 1)
    name = next(text for text in vectors if "passage" in text)
    vectors[name] = np.full(5, bad)
    with pytest.raises(EmbeddingError, match=f"passage.*{name}"), np.errstate(all="ignore"):
        mine_parallel_hard_negatives(as_view(items), LookUp(vectors), use_faiss=False)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"pool": "bilingual"}, "pool must be"),
        ({"missing": "skip"}, "missing must be"),
        ({"num_negatives": 0}, "num_negatives must be at least 1, not 0"),
        ({"range_min": -1}, "range_min must be at least 0"),
        ({"range_min": 9, "range_max": 10, "num_negatives": 2}, "between range_min=9 and range_max=10"),
        ({"sampling_strategy": "best"}, "sampling_strategy must be"),
        ({"relative_margin": float("nan")}, "relative_margin must be a finite number"),
    ],
)
def test_options_that_make_no_sense_are_refused(option, message):
    items = drawn_items(1)
    with pytest.raises(OptionError, match=message):
        mine_parallel_hard_negatives(as_view(items), LookUp(drawn_vectors(items, 1)), **option)


def test_it_is_exported():
    assert trainers.mine_parallel_hard_negatives is mine_parallel_hard_negatives
    assert "mine_parallel_hard_negatives" in trainers.__all__


@pytest.mark.parametrize("pool", ["monolingual", "multilingual"])
def test_a_mined_view_trains(pool, tmp_path):
    """Sentence-transformers' trainer, our sampler and its loss take a mined view; negatives reach the loss."""
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.losses import MultipleNegativesRankingLoss

    words = ["ab", "cd", "ef", "gh", "ij", "kl", "mn", "op", "qr", "st"]
    items = [{x: (f"{x} {word}", f"{word} {x} {word}") for x in LANGUAGES} for word in words]
    model = SentenceTransformer(str(sentence_transformer(tmp_path / "model")), device="cpu")
    view = mine_parallel_hard_negatives(as_view(items), model, pool=pool, num_negatives=2)
    arguments = SentenceTransformerTrainingArguments(
        str(tmp_path / "run"), max_steps=2, per_device_train_batch_size=4, batch_sampler=HybridBatchSampler,
        report_to=[], use_cpu=True, save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    loss = MultipleNegativesRankingLoss(model)
    widths = []
    loss.register_forward_pre_hook(lambda _, inputs: widths.append(len(list(inputs[0]))))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer = SentenceTransformerTrainer(model, arguments, train_dataset=view, loss=loss)
    result = trainer.train()
    assert result.global_step == 2
    assert np.isfinite(result.training_loss)
    assert widths == [4, 4]
    assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_folder_that_cannot_be_made(tmp_path):
    """It is said before anything is encoded."""
    items = drawn_items(1)
    model = LookUp(drawn_vectors(items, 1))
    (tmp_path / "file").touch()
    with pytest.raises(TrainingDataError, match=r"file/new cannot be written: .*; mine to another folder"):
        mine_parallel_hard_negatives(as_view(items), model, folder=tmp_path / "file" / "new", use_faiss=False)
    assert not model.seen
