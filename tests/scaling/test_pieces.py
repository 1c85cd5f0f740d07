"""How tables and models come to workers, what a worker is given, and what is said where that cannot be."""

from __future__ import annotations

import math
import pickle
import re
import socket
import time
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from datasets import Dataset
from encoders import CountingEncoder, named_meta
from mteb.types import PromptType
from tiny_models import sentence_transformer

from mteb_hybrid.errors import ClusterError
from mteb_hybrid.scaling import cluster, engine
from mteb_hybrid.scaling.cluster import Share, room, usual_share, wait_for_room
from mteb_hybrid.scaling.engine import usual_shard
from mteb_hybrid.scaling.jobs import EncodeJob, Subset
from mteb_hybrid.scaling.model import SentModel
from mteb_hybrid.scaling.tables import DistantTable, Librarian, SentTable
from mteb_hybrid.scaling.workers import warn_of_unused_gpu
from mteb_hybrid.streaming.corpus import Corpus
from mteb_hybrid.tasks.embedder import Embedder
from mteb_hybrid.tasks.registry import TASKS

ray = pytest.importorskip("ray")


@dataclass
class Call:
    """A method of an actor, called here and now, and the record of its calls."""

    method: object
    calls: list

    def remote(self, *arguments):
        self.calls.append(arguments[1:])
        return self.method(*arguments)


@pytest.fixture
def librarian(monkeypatch):
    """A librarian in this process, as a handle, with the ranges that it was asked for."""
    table = Dataset.from_dict({"id": [f"p{i}" for i in range(10)], "text": [f"text {i}" for i in range(10)]})
    monkeypatch.setattr(ray, "get", lambda found: found)

    class Handle:
        rows = Call(Librarian({"sw": pickle.dumps(table)}).rows, [])

    return table, Handle


def test_rows_come_from_the_librarian(librarian):
    """Texts and order of a corpus whose files are elsewhere; the next piece is asked for ahead, and none twice."""
    table, handle = librarian
    there = Corpus("test", "sw", 3, table, "1")
    here = replace(there, table=DistantTable(handle, "sw", 10))
    found = [here.texts(slice(start, stop)) for corpus, start, stop in here.pieces(0, 4)]
    assert found == [there.texts(slice(0, 4)), there.texts(slice(4, 8)), there.texts(slice(8, 10))]
    assert handle.rows.calls == [(0, 4), (4, 8), (8, 10)]
    handle.rows.calls.clear()
    part = replace(there, table=SentTable.of("sw", table, b"", handle).open(end=8))
    assert [part.texts(slice(start, stop)) for _, start, stop in part.pieces(0, 4, 8)] == found[:2]
    assert handle.rows.calls == [(0, 4), (4, 8)]  # the next part is another worker's
    assert here.ids(range(2, 5)) == ["p2", "p3", "p4"]


def test_files_are_read_where_they_are_visible(librarian, tmp_path):
    """A table on disk is opened through its files, unless these are missing or others; one in memory never is."""
    table, handle = librarian
    table.save_to_disk(tmp_path / "table")
    stored = Dataset.load_from_disk(tmp_path / "table")
    sent = SentTable.of("sw", stored, pickle.dumps(stored), handle)
    assert sent.open()[:]["id"] == table[:]["id"]
    assert isinstance(sent.open(), Dataset)
    (file,) = {entry["filename"] for entry in stored.cache_files}
    for others in (((file, 1, 1),), (("/nowhere/data.arrow", 1, 1),)):
        assert isinstance(replace(sent, files=others).open(), DistantTable)
    assert isinstance(SentTable.of("sw", table, b"", handle).open(), DistantTable)


class Nodes:
    """What Ray says of a cluster."""

    def __init__(self, monkeypatch, *resources, dead=()):
        found = [{"Alive": True, "Resources": one} for one in resources]
        found += [{"Alive": False, "Resources": one} for one in dead]
        monkeypatch.setattr(ray, "nodes", lambda: found)


def test_room_is_counted_within_machines(monkeypatch):
    """Three machines with three CPUs have room for three workers with two, not for four; a dead one has none."""
    Nodes(monkeypatch, {"CPU": 3.0}, {"CPU": 3.0}, {"CPU": 3.0}, {"memory": 1.0}, dead=[{"CPU": 64.0}])
    assert room(Share(2, 0)) == 3
    assert room(Share(4, 0)) == 0
    Nodes(monkeypatch, {"CPU": 16.0, "GPU": 8.0}, {"CPU": 4.0, "GPU": 8.0}, {"CPU": 64.0})
    assert room(Share(2, 1)) == 8 + 2
    assert room(Share(1, 0.25)) == 16 + 4
    Nodes(monkeypatch, {"CPU": 16.0, "GPU": 2.0})
    assert room(Share(1, 0.6)) == 2  # a worker is on one GPU, never across two


def test_the_usual_share(monkeypatch):
    """A GPU and its part of the CPUs; without GPUs up to four CPUs; what the user says holds."""
    Nodes(monkeypatch, {"CPU": 64.0, "GPU": 8.0}, {"CPU": 32.0, "GPU": 8.0}, {"CPU": 2.0})
    assert usual_share() == Share(4, 1)
    assert usual_share(gpus=0.5) == Share(2, 0.5)
    assert usual_share(gpus=0) == Share(2, 0)
    assert usual_share(cpus=3) == Share(3, 1)
    Nodes(monkeypatch, {"CPU": 64.0}, {"CPU": 16.0})
    assert usual_share() == Share(4, 0)
    Nodes(monkeypatch, {"GPU": 8.0}, {"CPU": 64.0, "GPU": 8.0})  # the first was started with --num-cpus 0
    assert usual_share() == Share(8, 1)
    assert room(Share(8, 1)) == 8


def test_no_room(monkeypatch, caplog):
    """After some patience the message has what was asked for, what there is, and the options."""
    Nodes(monkeypatch, {"CPU": 2.0})
    monkeypatch.setattr(cluster, "_PATIENCE", 0.0)
    with pytest.raises(ClusterError, match=r"8 CPUs and 0 GPUs; its nodes have 2 CPUs.*--cpus-per-worker"):
        wait_for_room(Share(8, 0), None)
    assert wait_for_room(Share(1, 0), 1) == 1
    assert wait_for_room(Share(1, 0), 5) == 2
    assert "5 workers were asked for, and there is room for 2" in caplog.text


@pytest.mark.parametrize(
    ("workers", "each"), [(1, 8), (2, 8), (64, 8), (100, 5.12), (128, 4), (256, 2), (512, 2), (4096, 2)]
)
def test_shards_of_a_worker(workers, each):
    """Eight of them up to 64 workers; beyond that 512 altogether, and at least two for each worker."""
    passages = 900_000 * math.floor(each * workers)  # nearly a shard of the largest size for each
    size = usual_shard(passages, workers, chunk=10)
    assert size % 10 == 0
    assert 0 <= size - passages / (each * workers) < 10


def test_shards_are_of_whole_chunks_and_not_too_large():
    """At most a million passages, at least a chunk; a worker more never means larger shards."""
    assert usual_shard(106_332_152, 1) == usual_shard(106_332_152, 4) == 1_000_000
    assert usual_shard(5, 64) == usual_shard(1_000_000, 512) == 10_000
    assert usual_shard(131_000, 1) == 20_000
    sizes = [usual_shard(106_332_152, workers, 1000) for workers in range(1, 2000)]
    assert sizes == sorted(sizes, reverse=True)


def test_the_shard_of_a_run(monkeypatch):
    """What the user says; else by how many workers there are, and by the chunk."""
    Nodes(monkeypatch, {"CPU": 64.0}, {"CPU": 64.0})
    monkeypatch.delenv("MTEB_HYBRID_CHUNK", raising=False)
    assert engine.RayEngine(shard=7)._step(10_000_000) == 7
    assert engine.RayEngine(share=Share(1, 0))._step(10_240_000) == usual_shard(10_240_000, 128) == 20_000
    assert engine.RayEngine(workers=2, share=Share(1, 0))._step(10_240_000) == 640_000
    monkeypatch.setenv("MTEB_HYBRID_CHUNK", "100")
    assert engine.RayEngine(workers=2, share=Share(1, 0))._step(3_000) == 200


def test_addresses():
    """Ray Client's are refused with what to do; so is what is none."""
    with pytest.raises(ClusterError, match=r"ray://head:10001 is an address of Ray Client.*ray job submit"), \
         cluster.connected("ray://head:10001"):  # fmt: skip
        pass
    for wrong in ("", "head", "head:ray", ":6379"):
        with pytest.raises(ClusterError, match=rf"reached at '{wrong}': an address is 'auto', 'local', or HOST:PORT"), \
             cluster.connected(wrong):  # fmt: skip
            pass


def test_nobody_answers(monkeypatch):
    """It is known at once, where Ray itself tries for ten minutes and then ends the process."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(ClusterError, match=rf"no Ray cluster can be reached at '{address}': .*refused"), \
             cluster.connected(address):  # fmt: skip
            pass
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    "error", [ConnectionError("no head"), ray.exceptions.RaySystemError("no head"), SystemExit(15)]
)
def test_somebody_else_answers(monkeypatch, error):
    """Whatever Ray makes of it is our error."""

    def refuse(**_):
        raise error

    monkeypatch.setattr(ray, "init", refuse)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ClusterError, match=rf"no Ray cluster can be reached at '{address}'"), \
             cluster.connected(address):  # fmt: skip
            pass


def test_a_gpu_that_torch_cannot_use(monkeypatch, caplog):
    """Encoding goes on, on the CPU, and the user reads of it; a worker without a GPU is meant to have none."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    warn_of_unused_gpu(0)
    assert not caplog.messages
    warn_of_unused_gpu(1)
    assert "has a GPU, and torch" in caplog.text
    caplog.clear()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    warn_of_unused_gpu(1)
    assert not caplog.messages


class TestModels:
    @pytest.fixture
    def sent(self, tmp_path, monkeypatch):
        """A tiny model as MTEB loads it from its directory, and as it was sent."""
        import mteb

        monkeypatch.setattr(ray, "put", lambda one: pickle.dumps(one))
        monkeypatch.setattr(ray, "get", lambda one: pickle.loads(one))
        model = mteb.get_model(str(sentence_transformer(tmp_path / "tiny")))
        return model, SentModel.of(model)

    def test_weights_and_settings_arrive(self, sent):
        """The copy embeds alike."""
        model, there = sent
        assert np.array_equal(there.load().model.encode(["a", "b"]), model.model.encode(["a", "b"]))

    def test_other_libraries(self, sent, monkeypatch):
        """The message has both versions, and the machine."""
        monkeypatch.setattr(cluster, "public_version", {**sent[1].versions, "torch": "1.0"}.__getitem__)
        here = re.escape(socket.gethostname())
        with pytest.raises(ClusterError, match=rf"a worker on {here} has torch 1.0 instead of 2[.\d]+\. Install"):
            sent[1].load()

    def test_another_model_on_the_way(self, sent):
        """Weights that are not those of this run are refused."""
        with pytest.raises(ClusterError, match="not those of the model of this run"):
            replace(sent[1], fingerprint="0" * 24).load()

    def test_what_cannot_be_sent(self, monkeypatch):
        """A model that cannot be pickled is loaded by its name if MTEB knows it, and otherwise refused."""

        def refuse(model):
            raise TypeError("cannot pickle '_thread.lock' object")

        monkeypatch.setattr(ray, "put", refuse)
        with pytest.raises(ClusterError, match=r"test/encoder cannot be sent .*_thread.lock.*Make it picklable"):
            SentModel.of(CountingEncoder())
        known = CountingEncoder()
        known.mteb_model_meta = named_meta("mteb-hybrid/char-ngram", revision=None)
        sent = SentModel.of(known)
        assert sent.reference is None
        assert type(sent.load()).__name__ == "CharNgramEncoder"


def test_another_model_at_the_same_address(monkeypatch):
    """Its texts are encoded together too, whatever was prepared for a model that is gone."""
    monkeypatch.setattr(engine, "id", lambda _: 1, raising=False)
    monkeypatch.setattr(Embedder, "embed", lambda self, texts, role: asked.append((self.model, role)))
    asked, running, models = [], engine.RayEngine(), [CountingEncoder(), CountingEncoder()]
    for model in models:
        for subset in ("en", "de"):
            running.prepare(Embedder(model, TASKS[0].metadata, "test", subset, {}), lambda role: [role.value])
    assert [model for model, _ in asked] == [models[0], models[0], models[1], models[1]]


class Small(CountingEncoder):
    """An encoder with memory for three texts."""

    fits = 3
    sizes: tuple[int, ...] = ()

    def encode(self, inputs, *, batch_size=None, **kwargs):
        self.sizes += (inputs.batch_size,)
        assert batch_size == inputs.batch_size
        if inputs.batch_size > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")
        return super().encode(inputs, **kwargs)


def test_a_worker_remembers_what_fits():
    """Parts come one after the other, and only the first one finds out how much memory there is."""
    model = Small()
    job = EncodeJob(Subset(TASKS[0].metadata, "test", "en", {"batch_size": 16}), PromptType.document, watched=False)
    for part in range(3):
        job.run(model, [f"text {part} {i}" for i in range(9)])
    assert model.sizes == (16, 8, 4, 2, 2, 2)


def test_out_of_memory_halves_the_batch(caplog):
    """As often as it takes, down to one text; then the error is the user's. Later calls begin with what has worked."""
    model = Small()
    embedder = Embedder(model, TASKS[0].metadata, "test", "en", {"batch_size": 16})
    found = embedder.embed_once([f"text {i}" for i in range(9)], PromptType.document)
    assert model.sizes == (16, 8, 4, 2)
    assert np.array_equal(found, np.stack([model.vector(f"text {i}") for i in range(9)]))
    assert "out of memory with batches of 4, going on with 2 (CUDA out of memory.)" in caplog.text
    embedder.embed_once(["other"], PromptType.document)
    assert model.sizes[4:] == (2,)
    model.fits = 0
    with pytest.raises(torch.OutOfMemoryError):
        embedder.embed_once(["third"], PromptType.document)
    assert model.sizes[5:] == (2, 1)
