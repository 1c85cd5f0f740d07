"""mMARCO's layout: a copy written here, in a folder and on a small server that stands in for the hub."""

from __future__ import annotations

import functools
import hashlib
import logging
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
from parallel_items import view_rows, write_lines, write_mmarco

from mteb_hybrid.errors import DownloadError, TrainingDataError
from mteb_hybrid.trainers import ParallelDataset
from mteb_hybrid.trainers.data.builders import files
from mteb_hybrid.trainers.data.builders.mmarco import MMARCO_REVISION
from mteb_hybrid.trainers.data.builders.triple_file import read_triples

TRIPLES = "data/triples.train.ids.small.tsv"
QUERIES = "data/google/queries/train/{}_queries.train.tsv"
PASSAGES = "data/google/collections/{}_collection.tsv"


@pytest.fixture(autouse=True)
def _folders(tmp_path, monkeypatch):
    """A cache of its own for each test, and no data folder."""
    monkeypatch.setenv("MTEB_HYBRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MTEB_HYBRID_DATA", raising=False)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three languages; ids with gaps, in another order in each file; texts with quotes, tabs at the end and no id 5."""
    dice = random.Random(0)
    queries, passages = {}, {}
    for name in ("english", "german", "vietnamese"):
        ids = [n for n in range(40) if n != 5]  # 100 and 101 have questions only
        dice.shuffle(ids)
        queries[name] = {n: f'q{n} "{name}' for n in [*ids[:30], 100, 101]}
        passages[name] = {n: f"p{n} {name}" + "\t" * (n % 7 == 0) for n in ids}
    known = sorted(set.intersection(*(set(one) for one in queries.values())) - {100, 101})
    triples = [
        (known[0], 1, 2),
        (known[1], 3, 4),
        (known[0], 1, 6),
        (known[0], 7, 8),
        (known[0], 1, 2),
        (known[1], 3, 9),
    ]
    return write_mmarco(tmp_path / "copy", queries, passages, [*triples, (100, 10, 11)])


def query_ids(folder: Path) -> list[int]:
    return [int(line.split("\t")[0]) for line in (folder / TRIPLES).read_text().splitlines()]


def expected(triples: list[tuple[int, ...]], names: dict[str, str]) -> set[tuple[str, ...]]:
    """The rows of question, positive and negatives in all language pairs."""
    return {
        (f'q{query} "{asked}', f"p{positive} {found}", *(f"p{n} {found}" for n in several), str(int(asked != found)))
        for query, positive, *several in triples
        for asked in names
        for found in names
    }


@pytest.mark.parametrize("block", [1, 200, 2**25])
@pytest.mark.parametrize("languages", [["de", "en"], ["vietnamese", "en"], None])
def test_rows(folder, languages, block, monkeypatch):
    """Each question and relevant passage with its first negative, in codes or names, by default all that are there."""
    monkeypatch.setattr(files, "_BLOCK", block)
    names = {"en": "english", "de": "german", "vi": "vietnamese"}
    codes = {"vietnamese": "vi"}
    wanted = sorted(names) if languages is None else sorted(codes.get(one, one) for one in languages)
    made = ParallelDataset.from_mmarco(folder, languages)
    first, second = query_ids(folder)[:2]
    triples = [(first, 1, 2), (second, 3, 4), (first, 7, 8), (100, 10, 11)]
    rows = view_rows(made)
    assert set(rows) == expected(triples, {names[code]: code for code in wanted})
    assert len(rows) == 4 * len(wanted) ** 2
    assert list(made.languages) == wanted
    assert made.collections == {"mmarco": 4}


def test_negatives(folder, caplog):
    """The first different ones; pairs with fewer are left out, with a warning."""
    first, second = query_ids(folder)[:2]
    names = {"english": "en", "german": "de"}
    with caplog.at_level(logging.WARNING):
        made = ParallelDataset.from_mmarco(folder, ["de", "en"], negatives=2)
    assert set(view_rows(made)) == expected([(first, 1, 2, 6), (second, 3, 4, 9)], names)
    assert "2 pairs have fewer than 2 negatives and are left out" in caplog.text
    none = ParallelDataset.from_mmarco(folder, ["de", "en"], negatives=0)
    assert set(view_rows(none)) == expected([(first, 1), (second, 3), (first, 7), (100, 10)], names)
    with pytest.raises(TrainingDataError, match=r"tsv has no pair of question and relevant passage with 3 negatives"):
        ParallelDataset.from_mmarco(folder, ["de"], negatives=3)


def test_max_items(folder):
    """The first ones of the file; only their texts are kept."""
    first, second = query_ids(folder)[:2]
    made = ParallelDataset.from_mmarco(folder, ["en"], max_items=2)
    assert set(view_rows(made)) == expected([(first, 1, 2), (second, 3, 4)], {"english": "en"})
    assert {len(texts.dataset) for texts in made.blocks[0].passages.values()} == {4}


def test_files_in_the_same_order_share_their_rows(tmp_path):
    """Where ids stand in the same lines, one list of rows serves all languages."""
    texts = {name: {n: f"{n} {name}" for n in range(9)} for name in ("english", "german")}
    write_mmarco(tmp_path / "copy", texts, texts, [(n, 8 - n, n) for n in range(9)])
    (block,) = ParallelDataset.from_mmarco(tmp_path / "copy").blocks
    assert block.queries["de"].rows is block.queries["en"].rows
    assert block.passages["de"].rows is block.passages["en"].rows


def naive_triples(lines: list[tuple[int, int, int]], negatives: int) -> list[tuple[int, ...]]:
    """Items in the order of the lines that complete them."""
    several: dict[tuple[int, int], list[int]] = {}
    items = []
    for query, positive, negative in lines:
        found = several.setdefault((query, positive), [])
        if len(found) < max(negatives, 1) and negative not in found:
            found.append(negative)
            if len(found) == max(negatives, 1):
                items.append((query, positive, *found[:negatives]))
    return items


@pytest.mark.parametrize("negatives", [0, 1, 2, 4])
@pytest.mark.parametrize("block", [10, 500, 2**25])
def test_triples(tmp_path, negatives, block, monkeypatch):
    """Many lines in any order, in blocks of any size: as reading them one by one; max_items takes the first."""
    monkeypatch.setattr(files, "_BLOCK", block)
    dice = random.Random(negatives)
    lines = [(dice.randrange(8), dice.randrange(3) + 2**31 - 3, dice.randrange(6)) for _ in range(400)]
    path = write_lines(tmp_path / "triples.tsv", ["\t".join(map(str, line)) for line in lines])
    items = naive_triples(lines, negatives)
    assert [tuple(row) for row in read_triples(path, negatives, None).tolist()] == items
    assert [tuple(row) for row in read_triples(path, negatives, 5).tolist()] == items[:5]


@pytest.mark.parametrize("line", ["1\t2", "1\t2\t3\t4", "1\t2\tx", "1 2 3", "1\t2\t4294967296", "1\t\t3"])
def test_malformed_triple(folder, line):
    """Named with its number."""
    path = folder / TRIPLES
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(TrainingDataError, match=rf"{path}, line 8 must be three whole numbers"):
        ParallelDataset.from_mmarco(folder, ["de"])


@pytest.mark.parametrize("name", [QUERIES, PASSAGES])
@pytest.mark.parametrize("line", ["77", "x\ttext", "77\ta\tb", "77\t\t", "\ttext"])
def test_malformed_text(folder, name, line):
    """Named with its number."""
    path = folder / name.format("german")
    number = len(path.read_text().splitlines()) + 1
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(
        TrainingDataError, match=rf"{path}, line {number} must be an id \(a whole number\), a tab and a"
    ):
        ParallelDataset.from_mmarco(folder, ["de"])


def test_blank_text(folder):
    """Named with its id where a triple names it, and of no account elsewhere."""
    path = folder / PASSAGES.format("german")
    path.write_text(path.read_text().replace("p12 german", "\u3000"))
    assert len(ParallelDataset.from_mmarco(folder, ["de"])) == 4
    path.write_text(path.read_text().replace("p11 german", "\u3000"))
    with pytest.raises(TrainingDataError, match=rf"{path} has no text for id 11"):
        ParallelDataset.from_mmarco(folder, ["de"])


@pytest.mark.parametrize("name", [QUERIES, PASSAGES])
def test_ids(folder, name):
    """Ids that a file lacks or has twice are named; a file that was cut off is no smaller data set."""
    path = folder / name.format("english")
    lines = path.read_text().splitlines()
    wanted = {100} if name == QUERIES else {1}
    (line,) = (line for line in lines if int(line.split("\t")[0]) in wanted)
    write_lines(path, [one for one in lines if one != line])
    with pytest.raises(
        TrainingDataError, match=rf"{folder / TRIPLES} names id {min(wanted)}, which {path} does not have"
    ):
        ParallelDataset.from_mmarco(folder, ["en"])
    write_lines(path, [*lines, line])
    with pytest.raises(TrainingDataError, match=rf"{path} has id {min(wanted)} more than once"):
        ParallelDataset.from_mmarco(folder, ["en"])


@pytest.mark.parametrize("name", [TRIPLES, QUERIES.format("german"), PASSAGES.format("german")])
def test_missing_file(folder, name):
    """Named, with what is asked for."""
    (folder / name).unlink()
    with pytest.raises(
        TrainingDataError, match=rf"{folder / name} is missing: put it there; a copy of the hub's unicamp-dl/mmarco"
    ):
        ParallelDataset.from_mmarco(str(folder), ["de"])


@pytest.mark.parametrize("language", ["tr", "German", "", "turkish"])
def test_unknown_language(folder, language):
    """Named with the languages that there are."""
    with pytest.raises(TrainingDataError, match=r"has no language .*ar \(arabic\), de \(german\), .*zh \(chinese\)"):
        ParallelDataset.from_mmarco(folder, ["de", language])


def test_no_language(tmp_path, folder):
    """None asked for, a folder without any; and the hub must be told which."""
    with pytest.raises(TrainingDataError, match="there is no language; name some of ar"):
        ParallelDataset.from_mmarco(folder, [])
    with pytest.raises(
        TrainingDataError, match=f"there is no language in {tmp_path}, which should hold files of some of ar"
    ):
        ParallelDataset.from_mmarco(tmp_path)
    with pytest.raises(TrainingDataError, match="name the languages to download"):
        ParallelDataset.from_mmarco()


@pytest.mark.parametrize("options", [{"negatives": -1}, {"max_items": 0}])
def test_bad_numbers(folder, options):
    """Refused before anything is read."""
    with pytest.raises(TrainingDataError, match="negatives must be at least 0, max_items at least 1"):
        ParallelDataset.from_mmarco(folder, **options)


def test_data_folder(folder, tmp_path, monkeypatch):
    """With MTEB_HYBRID_DATA the hub is not asked; what is missing there is said with the variable's name."""
    monkeypatch.setenv("MTEB_HYBRID_DATA", str(tmp_path))
    folder.rename(tmp_path / "mmarco")
    assert ParallelDataset.from_mmarco().languages == ("de", "en", "vi")
    (tmp_path / "mmarco" / TRIPLES).unlink()
    with pytest.raises(TrainingDataError, match="MTEB_HYBRID_DATA is set, so nothing is downloaded"):
        ParallelDataset.from_mmarco(languages=["de"])


@pytest.fixture
def hub(folder) -> Iterator[tuple[str, list[str]]]:
    """A server with the files of the folder at the pinned commit: its address, and the files that it sent."""
    sent: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            start = f"/datasets/unicamp-dl/mmarco/resolve/{MMARCO_REVISION}/"
            file = folder / path.removeprefix(start)
            found = path.startswith(start) and file.is_file()
            body = file.read_bytes() if found else b""
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
            self.send_header(
                "X-Repo-Commit" if found else "X-Error-Code", MMARCO_REVISION if found else "EntryNotFound"
            )
            self.end_headers()
            if self.command == "GET":
                sent.append(path.removeprefix(start))
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the name is that of the base class

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", sent
        server.shutdown()
        thread.join()


def test_hub(hub, tmp_path, monkeypatch):
    """The hub's client fetches the files of the languages, once; a file that is not there is named with its address."""
    address, sent = hub
    fetch = functools.partial(huggingface_hub.hf_hub_download, endpoint=address, cache_dir=tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    for _ in range(2):
        assert len(ParallelDataset.from_mmarco(languages=["de", "vi"])) == 16
    both = [name.format(language) for language in ("german", "vietnamese") for name in (QUERIES, PASSAGES)]
    assert sorted(sent) == sorted([TRIPLES, *both])
    with pytest.raises(DownloadError) as raised:
        ParallelDataset.from_mmarco(languages=["fr"])
    message = str(raised.value)
    french = QUERIES.format("french")
    assert f"/datasets/unicamp-dl/mmarco/resolve/{MMARCO_REVISION}/{french} could not be fetched" in message
    assert "put the repository's files into a folder DIR/mmarco and set MTEB_HYBRID_DATA=DIR" in message


def test_other_revision(hub, tmp_path, monkeypatch):
    """Another commit is asked for as given."""
    address, _ = hub
    fetch = functools.partial(huggingface_hub.hf_hub_download, endpoint=address, cache_dir=tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(DownloadError, match=f"/datasets/unicamp-dl/mmarco/resolve/{'0' * 40}/{TRIPLES} could not"):
        ParallelDataset.from_mmarco(languages=["de"], revision="0" * 40)
