"""How a file of LAReQA's layout is read: sentences, contexts, and where answers lie."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lareqa_documents import FIRST, document, paragraph, write

from mteb_hybrid.collections.lareqa import read_lareqa


def test_sentences_are_candidates_and_paragraphs_their_contexts(tmp_path: Path) -> None:
    """Encoded is each sentence alone; its whole paragraph is its context; all come in the order of the file."""
    path = write(tmp_path, document())
    part = read_lareqa(path, "de")
    assert part.passages == ("Ö𝕏ö.", "Zwei 猫.", "Drei.", "Vier.", "Fünf.", "Drei.", "Sechs.")
    assert part.contexts == ("Ö𝕏ö. Zwei 猫. Drei.",) * 3 + ("Vier. Fünf.",) * 2 + ("Drei. Sechs.",) * 2
    assert part.language == "de"
    assert part.source == str(path)


def test_questions_point_to_the_sentence_of_their_answer(tmp_path: Path) -> None:
    """Positions count over the whole file, offsets in characters; sentences without questions are kept."""
    part = read_lareqa(write(tmp_path, document()), "de")
    assert part.query_ids == ("q-third", "q-second", "q-fifth")
    assert part.queries == ("Wo ist drei?", "Wo ist die Katze?", "Wo ist fünf?")
    assert part.relevant == ((2,), (1,), (4,))


@pytest.mark.parametrize(("start", "sentence"), [(0, 0), (3, 0), (5, 1), (11, 1), (13, 2), (17, 2)])
def test_answers_at_the_edges_of_a_sentence(tmp_path: Path, start: int, sentence: int) -> None:
    """The first and the last character of a sentence belong to it, and to no other."""
    content = {"data": [{"paragraphs": [paragraph(FIRST, ("q", "Wo?", start))]}]}
    assert read_lareqa(write(tmp_path, content), "de").relevant == ((sentence,),)


def test_an_answer_over_two_sentences_belongs_to_its_start(tmp_path: Path) -> None:
    """Where an answer runs over the end of a sentence, the sentence of its first character is the relevant one."""
    content = {"data": [{"paragraphs": [paragraph(FIRST, ("q", "Wo?", 5))]}]}
    content["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["text"] = "Zwei 猫. Drei."
    assert read_lareqa(write(tmp_path, content), "de").relevant == ((1,),)


def test_sentences_that_touch(tmp_path: Path) -> None:
    """Without a space between sentences, as in Chinese, the end of one is the begin of the next and not its own."""
    content = {"data": [{"paragraphs": [paragraph(["一。", "二。"], ("q", "哪?", 2))]}]}
    content["data"][0]["paragraphs"][0] |= {"context": "一。二。", "sentence_breaks": [[0, 2], [2, 4]]}
    assert read_lareqa(write(tmp_path, content), "zh").relevant == ((1,),)


def test_escaped_and_plain_files_read_the_same(tmp_path: Path) -> None:
    """A file that escapes its characters holds the same texts and offsets as one in plain UTF-8."""
    plain = read_lareqa(write(tmp_path, document()), "de")
    assert read_lareqa(write(tmp_path, json.dumps(document()).encode("ascii")), "de") == plain
