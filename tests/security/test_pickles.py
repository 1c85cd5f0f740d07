"""A pickle in the place of data is not loaded. Passes over corpora and kept embeddings: tests/streaming."""

from __future__ import annotations

import contextlib
import json
import pickle
import shutil

import mteb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hostile_code import Explosive
from made_tables import write
from tiny_models import sentence_transformer
from tiny_recipes import tiny_recipe

from mteb_hybrid.errors import RankTableError
from mteb_hybrid.rank_table import SCHEMA, RankTable, find_tables
from mteb_hybrid.trainers.mining.folder import MiningFolder
from mteb_hybrid.trainers.recipes import train


class TestPickles:
    """A pickle in the place of data is not loaded. Checkpoints of passes and kept embeddings: tests/streaming."""

    def test_mined_negatives(self, tmp_path, trace):
        """Under the right name, and under that of the owner."""
        folder = MiningFolder(tmp_path, {})
        folder.save("de", "texts", np.array([[1, 2]]))
        assert folder.load("de", "texts") is not None
        (path,) = tmp_path.glob("*.npz")
        for name in ("owner", "found"):
            with np.load(path) as content:
                arrays = dict(content)
            np.savez(path, **{**arrays, name: np.array([Explosive(trace)], dtype=object)})
            assert folder.load("de", "texts") is None
            folder.save("de", "texts", np.array([[1, 2]]))
        path.write_bytes(pickle.dumps(Explosive(trace), 2))
        assert folder.load("de", "texts") is None
        assert not trace.exists()

    def test_rank_table(self, tmp_path, trace):
        """Arrow's extension types of Python, which old versions unpickled, and the metadata of others."""
        write(tmp_path, "m", "XQuADRMonolingual", "de", np.array([[1], [2]]))
        (path,) = find_tables([tmp_path])
        table = pq.read_table(path)
        payload = pickle.dumps(Explosive(trace), 2)
        evil = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": payload}
        schema = pa.schema(
            [field.with_metadata(evil) if field.name == "top_score" else field for field in SCHEMA],
            metadata={**table.schema.metadata, b"pandas": payload},
        )
        pq.write_table(pa.table(table.columns, schema=schema), path)
        with contextlib.suppress(RankTableError):
            RankTable.read(path)
        assert not trace.exists()

    @pytest.mark.parametrize("place", ["", "2_Dense"])
    def test_weights_of_a_directory(self, tmp_path, trace, place):
        """A model's weights as a pickle: whatever loading ends in, nothing is run."""
        folder = sentence_transformer(tmp_path / "model")
        (folder / place).mkdir(exist_ok=True)
        for weights in folder.rglob("*.safetensors"):
            weights.unlink()
        (folder / place / "pytorch_model.bin").write_bytes(pickle.dumps(Explosive(trace), 2))
        if place:
            sentence_transformer(tmp_path / "whole")
            (tmp_path / "whole" / "model.safetensors").rename(folder / "model.safetensors")
            (folder / place / "config.json").write_text(
                json.dumps({"in_features": 8, "out_features": 4, "bias": True, "activation_function": "torch.nn.Tanh"})
            )
            modules = json.loads((folder / "modules.json").read_text())
            dense = {"idx": 2, "name": "2", "path": place, "type": "sentence_transformers.models.Dense"}
            (folder / "modules.json").write_text(json.dumps([*modules, dense]))
        with pytest.raises(Exception, match=r"weights_only|[Ww]eights|pickle"):
            mteb.get_model(str(folder), device="cpu")
        assert not trace.exists()

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"])
    def test_checkpoint_of_a_training(self, tmp_path, trace, name):
        """A training that goes on from a checkpoint with a pickle in it runs none of it."""
        recipe = tiny_recipe(sentence_transformer(tmp_path / "base"))
        train(recipe, tmp_path / "out")
        training = tmp_path / "out" / "training"
        (training / "summary.json").unlink()
        shutil.rmtree(training / "checkpoint-4")
        (checkpoint,) = training.glob("checkpoint-*")
        (checkpoint / name).write_bytes(pickle.dumps(Explosive(trace), 2))
        refused = pytest.raises(Exception, match=r"(?i)weights.only")
        with contextlib.nullcontext() if name == "training_args.bin" else refused:  # which is written, and never read
            train(recipe, tmp_path / "out", resume=True)
        assert not trace.exists()

    def test_a_pickle_of_torch_is_one(self, tmp_path, trace):
        """The payload of these tests works where somebody trusts it."""
        (tmp_path / "x.bin").write_bytes(pickle.dumps(Explosive(trace), 2))
        with pytest.raises(Exception, match=r".*"):
            torch.load(tmp_path / "x.bin", weights_only=True)
        assert not trace.exists()
        with pytest.raises(RuntimeError):  # a file of torch has more in it
            torch.load(tmp_path / "x.bin", weights_only=False)
        assert trace.exists()
