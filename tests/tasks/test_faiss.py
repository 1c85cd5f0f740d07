"""Search through MTEB's FAISS backend: what it finds, what it reports as lost, and that nobody takes it for exact."""

from __future__ import annotations

import json

import mteb
import numpy as np
import pytest
from encoders import CountingEncoder, OwnSimilarityEncoder, hashed_vector, named_meta
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.models import SearchEncoderWrapper
from mteb.models.model_meta import ScoringFunction

from mteb_hybrid.collections import miniqa_r
from mteb_hybrid.embeddings import STORE
from mteb_hybrid.errors import FaissError
from mteb_hybrid.rank_table import RankTable
from mteb_hybrid.reporting.results import read_results
from mteb_hybrid.reporting.summary import summarise
from mteb_hybrid.tasks import faiss_index
from mteb_hybrid.tasks.faiss_index import FaissIndex, PoolIndexes
from mteb_hybrid.tasks.faiss_search import FaissSearch, searching_with_faiss

faiss = pytest.importorskip("faiss", reason="faiss is not installed")

MINI = ["MiniQARMonolingual", "MiniQARCrossLingual", "MiniQARMultilingual"]
FOLDER = "test__encoder/1"


def evaluate(model, tasks, cache=None, **options):
    options = {"show_progress_bar": False, "co2_tracker": False, **options}
    return mteb.evaluate(model, tasks, cache=mteb.ResultCache(cache) if cache else None, **options).task_results


def scores(model, name="MiniQARMonolingual", subset="de", **options):
    (result,) = evaluate(model, mteb.get_task(name, hf_subsets=[subset]), **options)
    return {key: value for key, value in result.scores["test"][0].items() if isinstance(value, float)}


def unit(texts):
    vectors = np.stack([hashed_vector(text) for text in texts])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_flat_index_loses_nothing():
    """Recall is 1 and every error 0, but for what lies beyond 1,000 passages in the pool of 1,584."""
    tasks = mteb.get_tasks(tasks=MINI, languages=["deu", "rus"], exclusive_language_filter=True)
    for result in evaluate(FaissSearch(CountingEncoder()), tasks):
        pooled = result.task_name == MINI[2]
        for row in result.scores["test"]:
            assert row["faiss_recall_of_relevant"] == 1
            assert row["faiss_depth"] == (1000 if pooled else 144)
            errors = {name: value for name, value in row.items() if name.startswith("faiss_error_")}
            assert {"faiss_error_map", "faiss_error_mrr", "faiss_error_ndcg_at_10", "faiss_error_recall_at_1000"} < {
                *errors
            }
            assert ("faiss_error_rank_distance_at_1000" in errors) == pooled
            cut = errors.pop("faiss_error_map")
            assert cut < 0 if pooled else cut == 0
            assert errors == pytest.approx(dict.fromkeys(errors, 0), abs=1e-12)


@pytest.mark.parametrize("similarity", [ScoringFunction.COSINE, ScoringFunction.DOT_PRODUCT])
def test_a_flat_index_scores_as_mteb_does(similarity):
    """MTEB's own search through its FAISS backend has the same scores, to its five digits."""
    from mteb.models.search_encoder_index import FaissSearchIndex
    from mteb.timing import TimingStack

    model = CountingEncoder()
    model.mteb_model_meta = named_meta(similarity_fn_name=similarity)
    found = scores(FaissSearch(model))
    stock = mteb.get_task("MiniQARMonolingual", hf_subsets=["de"])
    stock.load_data()
    stock._top_k = 100  # MTEB 2.15 asks for more passages than there are
    theirs = AbsTaskRetrieval._evaluate_subset(
        stock, SearchEncoderWrapper(model, index_backend=FaissSearchIndex(model)), dict(stock.dataset["de"]["test"]),
        encode_kwargs={"batch_size": 32}, hf_split="test", hf_subset="de", timer=TimingStack(),
    )  # fmt: skip
    for name in ("map_at_10", "ndcg_at_10", "recall_at_100", "mrr_at_5", "hit_rate_at_3"):
        assert found[name] == pytest.approx(theirs[name], abs=2e-5), name


def test_the_loss_of_a_poor_index_is_what_it_is():
    """With one of 16 clusters searched, recall and errors are those of FAISS itself and of plain numpy."""
    found = scores(FaissSearch(CountingEncoder(), "IVF16,Flat", "nprobe=1"))
    part = miniqa_r().load("de")
    passages, queries = unit(part.passages), unit(part.queries)
    goal = np.array([positions[0] for positions in part.relevant])
    index = faiss.index_factory(16, "IVF16,Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(passages)
    index.add(passages)
    _, rows = index.search(queries, 144)
    assert (rows == -1).any()  # of most clusters nothing is returned
    on_list = rows == goal[:, None]
    missed = ~on_list.any(axis=1)
    listed = np.where(missed, 144, 1 + on_list.argmax(axis=1))  # who is not on a list is the last of the pool
    products = queries.astype(np.float64) @ passages.T.astype(np.float64)
    exact = 1 + (products > products[np.arange(48), goal][:, None]).sum(axis=1)
    assert missed.any()
    assert found["faiss_recall_of_relevant"] == pytest.approx(1 - missed.mean())
    assert found["not_retrieved"] == found["faiss_error_not_retrieved"] == pytest.approx(missed.mean())
    assert found["map"] == pytest.approx((1 / listed).mean())
    assert found["faiss_error_map"] == pytest.approx((1 / listed).mean() - (1 / exact).mean())
    assert found["faiss_error_recall_at_10"] == pytest.approx((listed <= 10).mean() - (exact <= 10).mean())
    assert found["faiss_error_hit_rate_at_1"] == pytest.approx((listed == 1).mean() - (exact == 1).mean())


def test_what_is_not_found_counts_behind_the_depth(tmp_path):
    """Lists of few probes end early; rank distance takes rank 1,001 for the passages that are not on them."""

    def distance(folder):
        (path,) = (tmp_path / FOLDER / folder).glob("MiniQARMultilingual/*.parquet")
        ranks = [[min(rank or 1001, 1001) for rank in row] for row in RankTable.read(path).rows["rank"].to_pylist()]
        return np.mean([max(row) - min(row) for row in ranks])

    plain, _, poor = variants()
    exact, found = (scores(model, "MiniQARMultilingual", prediction_folder=tmp_path) for model in (plain, poor))
    far = distance("experiments/faiss_IVF16,Flat__faiss_parameters_nprobe=1")
    assert found["rank_distance_at_1000"] == pytest.approx(far)
    assert found["faiss_error_rank_distance_at_1000"] == pytest.approx(far - distance(""))
    assert found["faiss_error_map"] == pytest.approx(found["map"] - exact["map"])
    assert not [name for name in found if name.startswith(("mean_rank", "language_preference", "rank_distance_n"))]


def test_recall_is_of_what_an_exact_list_has():
    """Relevant passages beyond the depth of the lists are no loss of the index."""
    task = mteb.get_task("MiniQARMonolingual", hf_subsets=["de"])
    task._top_k = 10
    (result,) = evaluate(FaissSearch(CountingEncoder()), task)
    found = result.scores["test"][0]
    assert found["not_retrieved"] > 0
    assert (found["faiss_recall_of_relevant"], found["faiss_error_not_retrieved"], found["faiss_depth"]) == (1, 0, 10)


def test_results_are_never_mixed_with_exact_ones(tmp_path):
    """The cache has a place for the model and one for each index, and serves each of them its own."""
    plain, flat, poor = (scores(model, cache=tmp_path) for model in variants())
    again = CountingEncoder()
    assert scores(again, cache=tmp_path) == pytest.approx(plain, abs=1e-6)  # MTEB rounds what it keeps
    assert scores(FaissSearch(again), cache=tmp_path) == pytest.approx(flat, abs=1e-6)
    assert not again.seen
    assert not [name for name in plain if "faiss" in name]
    assert flat["faiss_error_map"] != poor["faiss_error_map"]
    found = sorted(path.parent.relative_to(tmp_path / "results").as_posix() for path in tmp_path.rglob("MiniQAR*.json"))
    experiments = ["faiss_Flat", "faiss_IVF16,Flat__faiss_parameters_nprobe=1"]
    assert found == [FOLDER, *(f"{FOLDER}/experiments/{name}" for name in experiments)]
    meta = json.loads((tmp_path / "results" / found[2] / "model_meta.json").read_text())
    assert meta["experiment_kwargs"] == {"faiss": "IVF16,Flat", "faiss_parameters": "nprobe=1"}


def variants():
    return CountingEncoder(), FaissSearch(CountingEncoder()), FaissSearch(CountingEncoder(), "IVF16,Flat", "nprobe=1")


def test_reports_name_the_index_and_claim_no_bound(tmp_path):
    """A report has a row for each index, under the model's name and the index; its scores are no lower bounds."""
    for model in variants():
        scores(model, cache=tmp_path)
    one, flat, poor = summarise(read_results(tmp_path))
    assert one.label == "test/encoder"
    assert flat.label == "test/encoder (faiss_Flat)"
    assert poor.label == "test/encoder (faiss_IVF16,Flat__faiss_parameters_nprobe=1)"
    assert poor.mean("Monolingual", "not_retrieved") > 0
    assert not poor.is_bound("Monolingual", "map")


def test_rank_tables_are_not_full(tmp_path):
    """Even where every relevant passage was found: the ranks are approximate, and no table says otherwise."""
    found = scores(FaissSearch(CountingEncoder()), prediction_folder=tmp_path)
    assert found["not_retrieved"] == 0
    (path,) = tmp_path.rglob("*.parquet")
    assert path.relative_to(tmp_path).as_posix() == f"{FOLDER}/experiments/faiss_Flat/{MINI[0]}/test.de.parquet"
    info = RankTable.read(path).info
    assert (info.full_ranking, info.depth, info.similarity) == (False, 1000, "faiss")
    assert info.variant == "test/encoder (faiss_Flat)"


def test_one_encoding_of_a_text_and_one_index_of_a_pool(monkeypatch):
    """Six cross-lingual subsets search three pools; the pools of two tasks are the same."""
    built, build = [], FaissIndex.build
    monkeypatch.setattr(FaissIndex, "build", lambda *arguments: built.append(arguments[-1]) or build(*arguments))
    model = CountingEncoder()
    tasks = mteb.get_tasks(tasks=MINI[:2], languages=["deu", "eng", "rus"], exclusive_language_filter=True)
    results = evaluate(FaissSearch(model), tasks)
    assert [len(result.scores["test"]) for result in results] == [3, 6]
    assert len(built) == 3
    assert set(model.seen.values()) == {1}


def test_indexes_are_kept_up_to_the_size_of_the_store(monkeypatch):
    """The pool that was searched longest ago is dropped first, and the last one is kept whatever its size."""
    indexes = PoolIndexes(FaissIndex())
    pools = [np.random.default_rng(seed).normal(size=(20, 4)).astype(np.float32) for seed in range(3)]
    monkeypatch.setattr(STORE, "max_bytes", 2 * pools[0].nbytes)
    first, second = (indexes.of(pool, "cosine", "") for pool in pools[:2])
    assert indexes.of(pools[0].copy(), "cosine", "") is first
    indexes.of(pools[2], "cosine", "")
    assert indexes.of(pools[0], "cosine", "") is first
    assert indexes.of(pools[1], "cosine", "") is not second
    monkeypatch.setattr(STORE, "max_bytes", 0)
    third = indexes.of(pools[2], "dot", "")
    assert indexes.of(pools[2], "dot", "") is third
    assert third.index.ntotal == 20


def test_every_run_within_the_context():
    """It is for programs that hand a model over to MTEB; models of all forms are taken, and after it all is exact."""
    with searching_with_faiss("IVF16,Flat", "nprobe=2"):
        inside = scores(mteb.get_model_meta("mteb-hybrid/char-ngram"))
        chosen = scores(FaissSearch(CountingEncoder()))
    assert inside == pytest.approx(
        scores(FaissSearch(mteb.get_model("mteb-hybrid/char-ngram"), "IVF16,Flat", "nprobe=2"))
    )
    assert inside["faiss_recall_of_relevant"] < 1
    assert chosen["faiss_recall_of_relevant"] == 1
    assert "faiss_depth" not in scores(CountingEncoder())


def test_without_faiss_it_says_how_to_get_it(monkeypatch):
    """Before the model is looked at."""
    monkeypatch.setattr(faiss_index.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FaissError, match=r'pip install "mteb-hybrid\[faiss\]"'):
        FaissSearch(object())
    with pytest.raises(FaissError, match="needs FAISS"), searching_with_faiss():
        pass


def test_only_dense_encoders_have_vectors():
    """Of another kind of model it says so, with its name."""

    class Words:
        mteb_model_meta = named_meta("test/words")

        def index(self, corpus, **kwargs): ...

        def search(self, queries, **kwargs): ...

    with pytest.raises(FaissError, match="test/words is no dense encoder"):
        FaissSearch(Words())
    with pytest.raises(FaissError, match=r"no_model_name.* is no dense encoder"):
        FaissSearch(object())


@pytest.mark.parametrize(
    ("model", "index", "message"),
    [
        (OwnSimilarityEncoder, ("Flat",), "test/plain on MiniQARMultilingual de: .* similarity is neither"),
        (
            CountingEncoder,
            ("IVF16",),
            "test/encoder on MiniQARMultilingual de, .*: .* index 'IVF16': could not parse",
        ),
        (CountingEncoder, ("PQ5",), "dimension 16: FAISS cannot make the index 'PQ5': .* multiple of the number"),
        (CountingEncoder, ("Flat", "nprobe=2"), "index 'Flat' with 'nprobe=2': .*could not set parameter nprobe"),
    ],
)
def test_a_few_texts_tell_what_faiss_cannot_search(model, index, message):
    """The pool of 1,584 passages is not encoded for it."""
    encoder = model()
    with pytest.raises(FaissError, match=message):
        scores(FaissSearch(encoder, *index), "MiniQARMultilingual")
    assert (encoder.encoded if model is OwnSimilarityEncoder else len(encoder.seen)) == 48 + 64


def test_too_small_a_pool_for_the_index():
    """FAISS needs as many passages as clusters."""
    with pytest.raises(FaissError, match=r"MiniQARMonolingual de, 144 passages: .*'IVF256,Flat': .* points \(144\)"):
        scores(FaissSearch(CountingEncoder(), "IVF256,Flat"))


@pytest.mark.parametrize("other", ["MIRACLMonolingual", "NFCorpus"])
def test_tasks_that_it_does_not_search_are_named_before_the_run(other):
    """Corpora that may be larger than memory, and tasks without exact ranks; nothing is loaded or encoded."""
    model = CountingEncoder()
    tasks = mteb.get_tasks(tasks=["MiniQARMonolingual", other])
    with pytest.raises(FaissError, match=f"not with FAISS: {other}. Run them without. It searches"):
        evaluate(FaissSearch(model), tasks)
    assert not model.seen


def test_streamed_subsets_and_candidates_are_refused_by_hand_too():
    """Where a task is evaluated without `mteb.evaluate`."""
    from mteb_hybrid.tasks.embedder import Embedder

    task = mteb.get_task("MiniQARMonolingual", hf_subsets=["de"])
    model = FaissSearch(CountingEncoder())
    with pytest.raises(FaissError, match="test/encoder on MiniQARMonolingual de: the corpus is streamed"):
        model.rank(Embedder(model.model, task.metadata, "test", "de", {}), object(), 10)
    task.load_data()
    task.dataset["de"]["test"]["top_ranked"] = {"q": ["p"]}
    with pytest.raises(FaissError, match="candidates to rerank"):
        task.evaluate(model, encode_kwargs={})


def test_mtebs_own_wrapper_would_be_taken_for_the_model():
    """MTEB files its results as those of the encoder, so it is refused; on tasks of others it is MTEB's matter."""
    from mteb.models.search_encoder_index import FaissSearchIndex

    from mteb_hybrid.tasks.faiss_search import searched

    model = CountingEncoder()
    model.mteb_model_meta = named_meta(similarity_fn_name=ScoringFunction.COSINE)
    wrapped = SearchEncoderWrapper(model, index_backend=FaissSearchIndex(model))
    with pytest.raises(FaissError, match=r"FaissSearch\(model\) instead"):
        scores(wrapped)
    assert searched(wrapped, [mteb.get_task("NFCorpus")]) is wrapped
