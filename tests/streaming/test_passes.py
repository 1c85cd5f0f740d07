"""One pass over a corpus: the ranks of the whole matrix, however it is cut, interrupted and gone on with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from datasets import Dataset
from encoders import hashed_vector
from hypothesis import given, settings
from hypothesis import strategies as st

from mteb_hybrid.embeddings import checked_embeddings
from mteb_hybrid.errors import EmbeddingError
from mteb_hybrid.ranking import RankCounter
from mteb_hybrid.streaming.corpus import Corpus
from mteb_hybrid.streaming.kept import KeptEmbeddings
from mteb_hybrid.streaming.passes import CHUNK_VARIABLE, DEFAULT_CHUNK, CorpusPass, Questions, chunk_passages
from mteb_hybrid.streaming.progress import Progress
from mteb_hybrid.streaming.tally import Tally

SIZE, RELEVANT = 57, (3, 20, 21, 56)
NOWHERE = KeptEmbeddings(None)


def texts_with_copies(size=SIZE) -> list[str]:
    """Some texts occur several times, near and far, and one relevant one among them."""
    texts = [f"text {i}" for i in range(size)]
    texts[10], texts[40], texts[41] = texts[3], texts[3], texts[8]
    return texts


def corpus(texts=None) -> Corpus:
    rows = [{"id": f"p{i}", "title": "", "text": text} for i, text in enumerate(texts or texts_with_copies())]
    return Corpus("test", "sw", 3, Dataset.from_list(rows), "1")


def vectors(texts) -> np.ndarray:
    return np.stack([hashed_vector(text, 8) for text in texts])


def questions(own: Corpus, similarity="cosine", top_k=10) -> Questions:
    """Three questions; the first two have two relevant passages each, of which one is shared."""
    relevant = own.texts(list(RELEVANT))
    pair_text = np.array([0, 1, 2, 1, 3])
    return Questions(
        queries=vectors(["q one", "q two", "q three"]),
        pair_query=np.array([0, 0, 1, 1, 2]),
        pair_order=own.order(np.array(RELEVANT)[pair_text]),
        pair_text=pair_text,
        texts={text: i for i, text in enumerate(relevant)},
        relevant=vectors(relevant),
        similarity=similarity,
        top_k=top_k,
    )


@dataclass
class Encoder:
    """Hash vectors; counts texts, adds noise that differs from call to call, fails or goes wrong at one text."""

    noise: float = 0.0
    fails_at: str | None = None
    nan_at: str | None = None
    seen: Counter = field(default_factory=Counter)
    calls: int = 0

    def __call__(self, texts):
        if self.fails_at in texts:
            raise KeyboardInterrupt
        self.seen.update(texts)
        self.calls += 1
        found = vectors(texts)
        if self.noise:
            found += self.noise * np.random.default_rng(self.calls).normal(size=found.shape).astype(np.float32)
        if self.nan_at in texts:
            found[texts.index(self.nan_at)] = np.nan
        return checked_embeddings(found, texts, "test/encoder")


def run(encoder, own=None, asked=None, *, progress=None, kept=NOWHERE):
    own = own or corpus()
    progress = progress or Progress(None)
    return CorpusPass(own, asked or questions(own), encoder, progress, kept, "test/encoder on Test sw").run()


def over_everything(own: Corpus, asked: Questions):
    """One counter that is given the whole matrix at once."""
    counter = RankCounter(
        asked.queries, asked.pair_query, asked.relevant[asked.pair_text], asked.pair_order,
        similarity=asked.similarity, top_k=asked.top_k, device="cpu",
    )  # fmt: skip
    counter.count(vectors(own.texts(slice(0, len(own)))), own.order(np.arange(len(own))))
    return counter.result()


def equal(one, other) -> bool:
    names = ("above", "top_order", "top_scores")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@pytest.mark.parametrize("chunk", ["1", "7", "56", "57", "58", "100000"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_any_chunk_size_gives_the_whole_matrix(chunk, similarity, monkeypatch):
    """Counts, best passages and scores equal to the bit those of one matrix; texts of a chunk are encoded once."""
    monkeypatch.setenv(CHUNK_VARIABLE, chunk)
    own, encoder = corpus(), Encoder()
    asked = questions(own, similarity)
    assert equal(run(encoder, own, asked), over_everything(own, asked))
    # relevant texts are known already, and all but one copy of a text if the copies are in one chunk
    unknown = set(texts_with_copies()) - set(asked.texts)
    assert set(encoder.seen) == unknown
    assert sum(encoder.seen.values()) == len(unknown) + (int(chunk) <= 33)


def test_a_corpus_of_relevant_passages_only_encodes_nothing():
    """Where every text is known the encoder is not called."""
    own, encoder = corpus([f"text {i}" for i in RELEVANT]), Encoder()
    asked = replace(questions(corpus()), pair_order=own.order(np.array([0, 1, 2, 1, 3])))
    assert equal(run(encoder, own, asked), over_everything(own, asked))
    assert encoder.calls == 0


@pytest.mark.parametrize("chunk", ["5", "1000"])
def test_noise_in_the_last_bits_never_puts_a_passage_above_itself(chunk, monkeypatch):
    """A corpus of copies of the relevant passages, and an encoder that never says the same twice: all copies tie.

    Only the tie-break position decides, so each passage's rank is that of its position among its copies.
    """
    monkeypatch.setenv(CHUNK_VARIABLE, chunk)
    own = corpus([f"text {RELEVANT[i % 4]}" for i in range(40)])
    rows = np.array([0, 1, 2, 1, 3])
    asked = replace(questions(corpus()), pair_order=own.order(rows))
    counted, encoder = run(Encoder(noise=1e-7), own, asked), Encoder(noise=1e-7)
    order = own.order(np.arange(40))
    unit = asked.relevant.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    for pair, (query, row) in enumerate(zip(asked.pair_query, rows, strict=True)):
        scores = unit @ asked.queries[query].astype(np.float64)
        better = 10 * int((scores > scores[row]).sum())
        copies = np.flatnonzero(np.arange(40) % 4 == row)
        assert counted.ranks()[pair] == 1 + better + int((order[copies] < order[row]).sum())
    assert encoder.calls == 0


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
@settings(deadline=None, max_examples=15)
def test_noise_moves_others_by_no_more_than_noise(seed, chunk):
    """With noise of 1e-7 a rank changes only by passages that score within 1e-5 of the relevant one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(CHUNK_VARIABLE, str(chunk))
        own = corpus()
        asked = questions(own)
        encoder = Encoder(noise=1e-7)
        encoder.calls = seed
        noisy, exact = run(encoder, own, asked), over_everything(own, asked)
    unit = vectors(own.texts(slice(0, SIZE))).astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    query = asked.queries / np.linalg.norm(asked.queries, axis=1)[:, None]
    for pair, (q, text) in enumerate(zip(asked.pair_query, asked.pair_text, strict=True)):
        scores = unit @ query[q]
        copies = own.texts(slice(0, SIZE)).count(own.texts([RELEVANT[text]])[0])
        near = int((np.abs(scores - scores[RELEVANT[text]]) < 1e-5).sum()) - copies
        assert abs(int(noisy.ranks()[pair]) - int(exact.ranks()[pair])) <= near


class TestGoingOn:
    @pytest.mark.parametrize(("first", "second"), [("10", "10"), ("10", "7"), ("10", "100"), ("1", "25")])
    def test_an_interrupted_pass_encodes_the_rest(self, first, second, tmp_path, monkeypatch, caplog):
        """Interrupted in the chunk of row 34: earlier rows are not encoded again, the rest once; the result is equal.

        Also where the second run has another chunk size.
        """
        own, progress = corpus(), Progress(tmp_path)
        monkeypatch.setenv(CHUNK_VARIABLE, first)
        with pytest.raises(KeyboardInterrupt):
            run(Encoder(fails_at="text 34"), progress=progress)
        done = 34 if first == "1" else 30
        monkeypatch.setenv(CHUNK_VARIABLE, second)
        encoder = Encoder()
        assert equal(run(encoder, progress=progress), over_everything(own, questions(own)))
        assert set(encoder.seen) == set(texts_with_copies()[done:]) - set(questions(own).texts)
        assert f"going on with {done} of 57 passages of sw counted" in caplog.text

    def test_a_finished_pass_encodes_nothing(self, tmp_path, caplog):
        """The counts are there; nothing is encoded and nobody is told about going on."""
        progress, encoder = Progress(tmp_path), Encoder()
        before = run(Encoder(), progress=progress)
        assert equal(run(encoder, progress=progress), before)
        assert encoder.calls == 0
        assert not caplog.records

    def test_damaged_progress_is_counted_anew(self, tmp_path, caplog):
        """A truncated file: everything is encoded again, and the result is right."""
        own, progress = corpus(), Progress(tmp_path)
        before = run(Encoder(), own, progress=progress)
        (path,) = tmp_path.glob("sw-*.npz")
        path.write_bytes(path.read_bytes()[:-30])
        encoder = Encoder()
        assert equal(run(encoder, own, progress=progress), before)
        assert len(encoder.seen) == len(set(texts_with_copies())) - len(RELEVANT)
        assert "counting anew" in caplog.text

    def test_progress_that_does_not_fit_is_counted_anew(self, tmp_path):
        """Counts of other questions, or of more passages than there are, are not gone on from."""
        own, progress = corpus(), Progress(tmp_path)
        right = over_everything(own, questions(own))
        name = f"sw-{own.identity()}-{questions(own).digest()}"
        wrong, part = over_everything(own, questions(own, top_k=3)), right.select(slice(2), slice(2))
        overlapping = [[0, 20], [10, 30]]
        for rows, ranking in (
            ([[0, 20]], wrong), ([[0, SIZE + 1]], right), ([[-1, 5]], right), ([[0, 20]], part), (overlapping, right),
        ):  # fmt: skip
            progress.save(name, Tally(np.array(rows), ranking))
            assert equal(run(Encoder(), own, progress=progress), right)

    def test_the_digest_is_of_these_embeddings(self):
        """Taken once, as it is asked for after every chunk; another bit in a copy is another digest."""
        asked = questions(corpus())
        before = asked.digest()
        assert asked.digest() is before
        for name in ("queries", "relevant"):
            changed = getattr(asked, name).copy()
            changed[-1, -1] = np.nextafter(changed[-1, -1], np.float32(2))
            assert replace(asked, **{name: changed}).digest() != before
            assert replace(asked, **{name: getattr(asked, name).copy()}).digest() == before

    def test_rows_in_the_middle_may_be_counted_first(self, tmp_path, monkeypatch):
        """What another engine has counted, in whatever order, is not encoded again."""
        monkeypatch.setenv(CHUNK_VARIABLE, "10")
        own, progress = corpus(), Progress(tmp_path)
        one = CorpusPass(own, questions(own), Encoder(), progress, NOWHERE, "test/encoder on Test sw")
        tally = one.earlier()
        for start, stop in ((30, 45), (5, 12)):
            counter = one.questions.counter()
            assert list(one.count(counter, start, stop))[-1][1] == stop
            tally = tally.plus(start, stop, counter.result())
        one.note(tally)
        encoder = Encoder()
        assert equal(run(encoder, own, progress=progress), over_everything(own, questions(own)))
        rest = {*texts_with_copies()[:5], *texts_with_copies()[12:30], *texts_with_copies()[45:]}
        assert set(encoder.seen) == rest - set(questions(own).texts)

    def test_another_version_of_the_corpus_is_counted_anew(self, tmp_path):
        """The counts of one revision are not those of another."""
        progress, encoder = Progress(tmp_path), Encoder()
        run(Encoder(), progress=progress)
        run(encoder, replace(corpus(), revision="2", _identity=[]), progress=progress)
        assert len(encoder.seen) == len(set(texts_with_copies())) - len(RELEVANT)


class TestBadEmbeddings:
    def test_nan_names_the_rows_and_keeps_what_is_done(self, tmp_path, monkeypatch):
        """The message has rows, language and text; after the cause is gone only the bad chunk and the rest are done."""
        monkeypatch.setenv(CHUNK_VARIABLE, "10")
        own, progress = corpus(), Progress(tmp_path)
        with pytest.raises(EmbeddingError, match=r"passages 30 to 40 of sw: test/encoder.*NaN.*'text 34'"):
            run(Encoder(nan_at="text 34"), progress=progress)
        encoder = Encoder()
        assert equal(run(encoder, progress=progress), over_everything(own, questions(own)))
        assert set(encoder.seen) == set(texts_with_copies()[30:]) - set(questions(own).texts)

    def test_another_dimension_than_the_queries(self):
        """The message has both dimensions, rows and language."""
        with pytest.raises(EmbeddingError, match=r"dimension 5 for rows 0 to 57 of sw, its queries have 8"):
            run(lambda texts: np.ones((len(texts), 5), dtype=np.float32))


class TestKept:
    def test_kept_embeddings_are_not_encoded_again(self, tmp_path, monkeypatch):
        """A second pass, for other questions, encodes nothing and ranks as if it had."""
        monkeypatch.setenv(CHUNK_VARIABLE, "10")
        own, kept = corpus(), KeptEmbeddings(tmp_path)
        run(Encoder(), own, kept=kept)
        asked = replace(questions(own), queries=vectors(["other one", "other two", "other three"]))
        encoder = Encoder()
        assert equal(run(encoder, own, asked, kept=kept), over_everything(own, asked))
        assert encoder.calls == 0
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) >= SIZE * 8 * 4

    def test_kept_with_noise_relevant_passages_are_the_questions_own(self, tmp_path):
        """What was kept differs in the last bits from the embeddings of today's relevant passages: these hold."""
        own, kept = corpus([f"text {RELEVANT[i % 4]}" for i in range(40)]), KeptEmbeddings(tmp_path)
        asked = replace(questions(corpus()), pair_order=own.order(np.array([0, 1, 2, 1, 3])))
        before = run(Encoder(), own, asked, kept=kept)
        # the same direction with other last bits, so that the ranks are the same
        again = replace(asked, relevant=asked.relevant * np.float32(1 + 3e-7))
        assert np.array_equal(run(Encoder(), own, again, kept=kept).ranks(), before.ranks())

    def test_kept_embeddings_of_another_dimension_are_replaced(self, tmp_path):
        """A file of another dimension is encoded anew and written over."""
        own, kept = corpus(), KeptEmbeddings(tmp_path)
        kept.save(0, SIZE, np.ones((SIZE, 5), dtype=np.float32))
        assert equal(run(Encoder(), own, kept=kept), over_everything(own, questions(own)))
        found = kept.load(0, SIZE)
        assert found is not None
        assert found.shape == (SIZE, 8)


@pytest.mark.parametrize(
    ("value", "chunk"), [("", DEFAULT_CHUNK), (" 12 ", 12), ("0", 1), ("-3", 1), ("many", DEFAULT_CHUNK)]
)
def test_the_variable_for_chunks(value, chunk, monkeypatch, caplog):
    """A number of passages, at least one; anything else is warned of and not used."""
    monkeypatch.setenv(CHUNK_VARIABLE, value)
    assert chunk_passages() == chunk
    assert ("'many'" in caplog.text) == (value == "many")
