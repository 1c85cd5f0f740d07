"""What mining keeps in its folder: what a killed run goes on from, and whose it is."""

from __future__ import annotations

import json
import logging

import pytest
from mined_negatives import LookUp, as_view, drawn_items, drawn_vectors

from mteb_hybrid.errors import TrainingDataError
from mteb_hybrid.trainers import mine_parallel_hard_negatives
from mteb_hybrid.trainers.mining import languages as languages_module

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


def test_a_folder_that_cannot_be_made(tmp_path):
    """It is said before anything is encoded."""
    items = drawn_items(1)
    model = LookUp(drawn_vectors(items, 1))
    (tmp_path / "file").touch()
    with pytest.raises(TrainingDataError, match=r"file/new cannot be written: .*; mine to another folder"):
        mine_parallel_hard_negatives(as_view(items), model, folder=tmp_path / "file" / "new", use_faiss=False)
    assert not model.seen
