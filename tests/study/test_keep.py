"""Results are kept in a compact form, and come back as they were but for the lists."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import tarfile
from dataclasses import replace

import evidence
import keep
import pytest
from plan import arms

from mteb_hybrid.collections import mlqa_r, xquad_r
from mteb_hybrid.rank_table import RankTable, find_tables
from mteb_hybrid.reporting.columns import BIAS
from mteb_hybrid.significance import METRICS, read_scores

MODEL = "mteb-hybrid__char-ngram"


@pytest.fixture
def arm(runs, tmp_path):
    """An arm's results, as the driver leaves them."""
    folder = tmp_path / "results" / "an-arm"
    for part in ("results", "predictions"):
        shutil.copytree(runs / part / MODEL, folder / part / MODEL)
    (folder / "done").write_text("[]")
    return folder


def test_all_comes_back(arm, tmp_path):
    """Every JSON file byte for byte, every table but for its lists, every score of single queries; and it is small."""
    archive = keep.pack(arm, tmp_path / "kept")
    assert archive.stat().st_size < sum(path.stat().st_size for path in arm.rglob("*") if path.is_file()) / 10
    keep.unpack_all(tmp_path / "kept", tmp_path / "back")
    back = tmp_path / "back/an-arm"
    assert (back / "done").read_text() == "[]"
    one, other = (evidence._arm_scores(folder) for folder in (arm, back))
    assert one.across == other.across != {}
    for name, *_ in BIAS:
        assert one.pooled(name) == other.pooled(name)
    before, after = ({path.relative_to(top): path for path in top.rglob("*.json*")} for top in (arm, back))
    assert before.keys() == after.keys()
    assert before
    assert all(before[name].read_bytes() == after[name].read_bytes() for name in before)
    for path in find_tables([arm]):
        old, new = RankTable.read(path), RankTable.read(back / path.relative_to(arm))
        assert replace(old.info, list_depth=0) == new.info
        columns = [name for name in old.rows.column_names if not name.startswith("top_")]
        for one, other in zip(old.rows.select(columns).to_pylist(), new.rows.select(columns).to_pylist(), strict=True):
            assert one["query_id"] == other["query_id"]
            assert one["rank"] == other["rank"]
            assert _judged(one) == _judged(other)
    for metric in METRICS:
        (old,), (new,) = (read_scores([top / "predictions"], metric) for top in (arm, back))
        assert old.scores == new.scores
        assert old.data == new.data


def _judged(row) -> set[tuple]:
    return set(zip(row["relevant_id"], row["relevant_language"], row["relevant_grade"], row["rank"], strict=True))


def test_the_same_results_are_the_same_bytes(arm, tmp_path):
    """Whenever and wherever they are packed."""
    first, second = (keep.pack(arm, tmp_path / name).read_bytes() for name in ("one", "two"))
    assert first == second


def test_other_questions_are_refused(arm, tmp_path):
    """Arms share the judgments of a task; results of other ones do not go in beside them."""
    keep.pack(arm, tmp_path / "kept")
    other = tmp_path / "other"
    shutil.copytree(arm, other)
    path = next(path for path in find_tables([other]) if "Multilingual" in str(path))
    table = RankTable.read(path)
    columns = {name: table.rows[name].to_pylist() for name in table.rows.column_names}
    columns["query_id"][0] = "another"
    keep.write_rank_table(path, table.info, columns)
    with pytest.raises(ValueError, match="other questions or judgments"):
        keep.pack(other, tmp_path / "kept")


@pytest.mark.slow
def test_kept_results_are_those_of_the_plan(study):
    """Every archive is an arm of the plan, made with the settings that it has there; a few MiB in all."""
    known = {f"{arm.id}.tar.xz": arm for arm in arms()}
    kept = sorted((study / "results").glob("*.tar.xz"))
    assert {path.name for path in kept} == known.keys()
    assert sum(path.stat().st_size for path in kept) < 8 * 2**20
    for path in kept:
        arm = known[path.name]
        with tarfile.open(path) as archive:
            done = json.load(archive.extractfile("done"))
        assert done == ([] if arm.name == "start" else list(arm.recipe))


def test_paragraphs(lareqa_data, study, tmp_path, monkeypatch):
    """The kept numbers are those of the data; questions of one paragraph, and no others, share one."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(lareqa_data))
    keep.write_paragraphs(tmp_path)
    numbers = keep.paragraph_numbers(tmp_path)
    assert numbers == keep.paragraph_numbers(study / "results")
    for collection in (xquad_r(), mlqa_r()):
        english = collection.load("en")
        text_of = {
            query: english.contexts[at[0]] for query, at in zip(english.query_ids, english.relevant, strict=True)
        }
        assert len(set(text_of.values())) == len({numbers[query] for query in text_of})
        assert len({(text, numbers[query]) for query, text in text_of.items()}) == len(set(text_of.values()))


@pytest.mark.slow
def test_scores_follow_from_ranks(study, tmp_path):
    """MAP of MTEB's JSON is the mean of 1/rank-based precisions of the kept tables, computed by plain loops."""
    archives = sorted((study / "results").glob("*hybrid_seed0.tar.xz"))
    assert archives
    for archive in archives:
        folder = tmp_path / archive.name
        keep.unpack(archive, folder)
        for path in itertools.chain(folder.rglob("*Multilingual.json"), folder.rglob("*Monolingual.json")):
            for row in json.loads(path.read_text())["scores"]["test"]:
                (table,) = folder.rglob(f"{path.stem}/test.{row['hf_subset']}.parquet")
                ranks = RankTable.read(table).rows["rank"].to_pylist()
                scores = [sum((place + 1) / rank for place, rank in enumerate(sorted(one))) / len(one) for one in ranks]
                assert sum(scores) / len(scores) == pytest.approx(row["map"], abs=1e-6)


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_archives_stay_in_their_folder(arm, tmp_path, name):
    """An archive with a path that leads out of its folder is refused, and nothing of it is left anywhere."""
    target = str(tmp_path / "outside") if name.startswith("/") else name
    archive = keep.pack(arm, tmp_path / "kept")
    with tarfile.open(archive) as opened:
        members = {entry.name: opened.extractfile(entry).read() for entry in opened}
    with tarfile.open(archive, "w:xz") as changed:
        for member, content in {**members, target: b"{}"}.items():
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            changed.addfile(entry, io.BytesIO(content))
    with pytest.raises(ValueError, match="leads out of the folder"):
        keep.unpack(archive, tmp_path / "back" / "an-arm")
    assert not list(tmp_path.rglob("outside"))
    assert not (tmp_path / "back" / "an-arm").exists()
