"""What every parallel collection promises: checked parts, known languages, opaque passage ids."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from mteb_hybrid.collections import LanguagePart, ParallelCollection
from mteb_hybrid.errors import CollectionError

LANGUAGES = ("ar", "de", "en", "th", "zh")


def part(language: str = "de") -> LanguagePart:
    """A part that is in order."""
    return LanguagePart(
        language=language,
        passages=("Eins.", "Zwei.", "Zwei."),
        contexts=("Eins. Zwei.", "Eins. Zwei.", "Zwei."),
        query_ids=("q1", "q2"),
        queries=("Was ist eins?", "Was ist zwei?"),
        relevant=((0,), (1, 2)),
        source="hand-made.json",
    )


def collection(name: str = "tiny") -> ParallelCollection:
    return ParallelCollection(name, "1", LANGUAGES, part)


def test_load_reads_the_language_asked_for() -> None:
    """`load` hands the language to the reader and returns what it read."""
    assert collection().load("th") == part("th")


@pytest.mark.parametrize("language", ["fr", "", "DE", "de ", "deu-Latn"])
def test_load_of_an_unknown_language_names_it_and_the_known_ones(language: str) -> None:
    """An unknown language never reaches the reader; the message says which collection, which one, and which exist."""

    def read(language: str) -> LanguagePart:
        raise AssertionError(f"read was called for {language!r}")

    with pytest.raises(CollectionError) as raised:
        ParallelCollection("tiny", "1", LANGUAGES, read).load(language)
    message = str(raised.value)
    assert "tiny" in message
    assert repr(language) in message
    assert ", ".join(LANGUAGES) in message


def test_equal_texts_stay_separate_candidates() -> None:
    """Two passages may have the same text, and a question may have several relevant passages."""
    assert part().passages[1] == part().passages[2]
    assert part().relevant[1] == (1, 2)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param({"passages": (), "contexts": ()}, "0 passages", id="no passage"),
        pytest.param({"query_ids": (), "queries": (), "relevant": ()}, "0 questions", id="no question"),
        pytest.param({"contexts": ("Eins. Zwei.",)}, "1 contexts for 3 passages", id="contexts"),
        pytest.param({"query_ids": ("q1",)}, "1 ids, 2 questions", id="fewer ids"),
        pytest.param({"queries": ("a", "b", "c")}, "3 questions", id="more questions"),
        pytest.param({"relevant": ((0,),)}, "1 lists", id="fewer relevant"),
        pytest.param({"query_ids": ("q1", "q1")}, "'q1'", id="duplicate id"),
        pytest.param({"query_ids": ("q1", "")}, "''", id="empty id"),
        pytest.param({"queries": ("Was ist eins?", " \n")}, "'q2'", id="blank question"),
        pytest.param({"passages": ("Eins.", "\t ", "Zwei.")}, "passage 1", id="blank passage"),
        pytest.param({"relevant": ((0,), (3,))}, "'q2'", id="position too large"),
        pytest.param({"relevant": ((-1,), (1,))}, "'q1'", id="negative position"),
        pytest.param({"relevant": ((0,), (1, 1))}, "'q2'", id="position twice"),
    ],
)
def test_an_inconsistent_part_cannot_be_made(changes: dict, named: str) -> None:
    """Every inconsistency is refused at once; the message names source, language and place."""
    with pytest.raises(CollectionError) as raised:
        replace(part(), **changes)
    message = str(raised.value)
    assert "hand-made.json (de)" in message
    assert named in message


def test_passage_ids_are_pinned() -> None:
    """Ids depend on collection, language and position alone, so that runs of different days can be compared."""
    assert collection().passage_ids("de", 2) == ["6c2bc9008aa8fac0", "40f73dd78c9290ad"]
    assert collection().passage_ids("de", 500)[:7] == collection().passage_ids("de", 7)


def test_passage_ids_of_no_passage() -> None:
    """No passage, no id."""
    assert collection().passage_ids("de", 0) == []


def test_passage_ids_are_unique_over_languages_and_collections() -> None:
    """As many passages as the largest collection has in all its languages get distinct ids, in any collection."""
    ids = [
        passage_id
        for name in ("xquad-r", "mlqa-r", "miniqa-r")
        for language in LANGUAGES
        for passage_id in collection(name).passage_ids(language, 6264)
    ]
    assert len(set(ids)) == len(ids) == 3 * len(LANGUAGES) * 6264


def test_sorting_by_id_does_not_group_languages() -> None:
    """Sorted by id, neighbours share a language as often as in a random order: 1 in 5, within five deviations."""
    count = 400
    labelled = sorted((i, language) for language in LANGUAGES for i in collection().passage_ids(language, count))
    same = sum(left == right for (_, left), (_, right) in pairwise(labelled))
    total = count * len(LANGUAGES) - 1
    chance = (count - 1) / total
    assert abs(same - total * chance) < 5 * math.sqrt(total * chance * (1 - chance))


def test_sorting_by_id_prefers_no_language() -> None:
    """A tie broken by id favours no language: the mean rank of each is that of a random order, within five errors."""
    count = 400
    labelled = sorted((i, language) for language in LANGUAGES for i in collection().passage_ids(language, count))
    total = len(labelled)
    error = total / math.sqrt(12 * count)
    for language in LANGUAGES:
        mean = sum(rank for rank, (_, owner) in enumerate(labelled) if owner == language) / count
        assert abs(mean - (total - 1) / 2) < 5 * error, language


def test_sorting_by_id_does_not_follow_the_file() -> None:
    """Within a language the ids do not follow the order of the file: about half of the neighbours ascend."""
    count = 1000
    ascents = sum(left < right for left, right in pairwise(collection().passage_ids("en", count)))
    # the number of ascents of a random permutation has variance (n + 1) / 12
    assert abs(ascents - (count - 1) / 2) < 5 * math.sqrt((count + 1) / 12)
