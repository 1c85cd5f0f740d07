"""The tensor core of the loss, against values by hand, a double loop in plain Python, and sentence-transformers."""

from __future__ import annotations

import inspect
import itertools
import math

import pytest
import torch
from host_losses import MultipleNegativesRankingLoss, host_options
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_contrast import naive_consistency, naive_losses
from sentence_transformers.util import cos_sim, dot_score

from mteb_hybrid.errors import OptionError
from mteb_hybrid.trainers.losses.contrast import Candidates, Contrast, consistency_losses, info_nce_losses

FORWARD = ("query_to_doc",)
EVERY = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")
MODES = [
    *[(("query_to_doc", *more), "joint") for n in range(4) for more in itertools.combinations(EVERY[1:], n)],
    (FORWARD, "per_direction"),
    (("query_to_doc", "doc_to_query"), "per_direction"),
]
DOT = Contrast(dot_score, scale=1.0)
E, LOG = math.e, math.log


def drawn(seed: int, rows: int, columns: int, dimension: int = 3, dtype=torch.float64) -> list[torch.Tensor]:
    """Columns of random embeddings, none of them of length 1."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, dimension, generator=generator, dtype=torch.float64).to(dtype) for _ in range(columns)]


def everywhere(batch: Candidates, contrast: Contrast, function=info_nce_losses) -> torch.Tensor:
    return function(batch, torch.arange(len(batch.queries)), contrast)


def lists(columns) -> list[list[list[float]]]:
    return [column.tolist() for column in columns]


@st.composite
def batches(draw, max_rows: int = 6):
    """Embeddings with 0 to 2 explicit negatives, 1 or 2 positives, parallel queries, and items that often repeat."""
    rows = draw(st.integers(1, max_rows))
    n_positives, n_negatives = draw(st.integers(1, 2)), draw(st.integers(0, 2))
    queries, parallel, *documents = drawn(draw(st.integers(0, 10_000)), rows, 2 + n_positives + n_negatives)
    items = draw(st.one_of(st.none(), st.lists(st.integers(0, 3), min_size=rows, max_size=rows)))
    return Candidates(
        queries,
        tuple(documents[:n_positives]),
        tuple(documents[n_positives:]),
        None if items is None else torch.tensor(items),
        parallel,
    )


def test_masks_are_made_where_the_rows_are():
    """On any device; here, torch's without memory."""
    there = torch.empty((4, 3), device="meta")
    batch, rows = Candidates(there, (there,)), torch.zeros(2, dtype=torch.int64, device="meta")
    assert batch.own(rows).device == batch.same_item(rows).device == there.device
    assert batch.own(rows).shape == (2, 4)


class TestByHand:
    """Unit vectors in the plane, dot product, scale 1: scores are 0 and 1."""

    def test_in_batch_negatives(self):
        """Two orthogonal pairs: e / (e + 1) each."""
        plane = torch.eye(2)
        losses = everywhere(Candidates(plane, (plane,)), DOT)
        assert losses.tolist() == pytest.approx([LOG(1 + 1 / E)] * 2)

    def test_explicit_negatives_of_all_rows_count(self):
        """Negatives (e1, e1): the first query has e / (e + 1 + 2e), the second e / (e + 1 + 2)."""
        plane = torch.eye(2)
        negatives = plane[[0, 0]]
        losses = everywhere(Candidates(plane, (plane,), (negatives,)), DOT)
        assert losses.tolist() == pytest.approx([LOG((3 * E + 1) / E), LOG((E + 3) / E)])

    def test_passages_of_the_same_item_are_no_negatives(self):
        """Rows 0 and 1 of one item have only row 2's passage against them; row 2 has both of theirs."""
        queries = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        batch = Candidates(queries, (queries,), items=torch.tensor([4, 4, 9]))
        one, two = LOG(1 + 1 / E), LOG(1 + 2 / E)
        assert everywhere(batch, DOT).tolist() == pytest.approx([one, one, two])

    def test_explicit_negatives_of_the_same_item_stay(self):
        """Both rows of one item: no passage is a negative, both explicit negatives (score 0 and 1) are."""
        queries = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        batch = Candidates(queries, (queries,), (torch.eye(2),), torch.tensor([1, 1]))
        assert everywhere(batch, DOT).tolist() == pytest.approx([LOG((2 * E + 1) / E)] * 2)

    def test_several_positives(self):
        """Positives with scores 1 and 0 against one other item with scores 0 and -1: the mean of two plain losses."""
        queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        own = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        parallel = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
        losses = everywhere(Candidates(queries, (own, parallel)), DOT)
        # row 0: positives e and 1, negatives 1 and 1/e; row 1: positives e and 1, negatives 1 (own) and e (parallel)
        first = (LOG((E + 1 + 1 / E) / E) + LOG(1 + 1 + 1 / E)) / 2
        second = (LOG((E + 1 + E) / E) + LOG(1 + 1 + E)) / 2
        assert losses.tolist() == pytest.approx([first, second])

    def test_other_directions(self):
        """Two orthogonal pairs: to e and 1 of query_to_doc come 1 (queries), e and 1 (backwards), and 1 (documents)."""
        plane = torch.eye(2)
        batch = Candidates(plane, (plane,))
        joint = everywhere(batch, Contrast(dot_score, 1.0, EVERY))
        assert joint.tolist() == pytest.approx([LOG((2 * E + 4) / E)] * 2)
        each = everywhere(batch, Contrast(dot_score, 1.0, ("query_to_doc", "doc_to_query"), "per_direction"))
        assert each.tolist() == pytest.approx([LOG(1 + 1 / E)] * 2)

    def test_consistency(self):
        """Scores (1, 0) against (0, 1): (p - q)(log p - log q) is (e - 1) / (e + 1) for both documents."""
        plane = torch.eye(2)
        batch = Candidates(plane, (plane,), parallel_queries=plane[[1, 0]])
        divergences = everywhere(batch, DOT, consistency_losses)
        assert divergences.tolist() == pytest.approx([(E - 1) / (E + 1)] * 2)

    def test_defaults(self):
        """Unless told otherwise: scale 20 and the way forward, as in sentence-transformers."""
        assert Contrast(cos_sim) == Contrast(cos_sim, 20.0, ("query_to_doc",), "joint")
        assert inspect.signature(MultipleNegativesRankingLoss).parameters["scale"].default == 20.0

    def test_scale(self):
        """Cosine does not see lengths; scale multiplies it: 1 / (1 + e^-20)."""
        queries = torch.tensor([[3.0, 0.0], [0.0, 0.5]], dtype=torch.float64)
        losses = everywhere(Candidates(queries, (5 * queries,)), Contrast(cos_sim, 20.0))
        assert losses.tolist() == pytest.approx([math.log1p(math.exp(-20))] * 2)


class TestAgainstPlainPython:
    @given(batches(), st.sampled_from(MODES), st.sampled_from([1.0, 20.0]))
    @settings(deadline=None, max_examples=50)
    def test_losses(self, batch, mode, scale):
        """Items, negatives, several positives, all directions: the double loop over lists finds the same numbers."""
        items = None if batch.items is None else batch.items.tolist()
        expected = naive_losses(
            batch.queries.tolist(), lists(batch.positives), lists(batch.negatives), items, *mode, scale
        )
        found = everywhere(batch, Contrast(cos_sim, scale, *mode))
        assert found.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)

    @given(batches(), st.sampled_from([1.0, 20.0]))
    @settings(deadline=None, max_examples=25)
    def test_consistency(self, batch, scale):
        """Both divergences, over the documents that the row's own query has."""
        items = None if batch.items is None else batch.items.tolist()
        expected = naive_consistency(
            batch.queries.tolist(),
            batch.parallel_queries.tolist(),
            lists(batch.positives),
            lists(batch.negatives),
            items,
            scale,
        )
        found = everywhere(batch, Contrast(cos_sim, scale), consistency_losses)
        assert found.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)


class TestAgainstSentenceTransformers:
    @pytest.mark.parametrize("negatives", [0, 1, 2])
    @pytest.mark.parametrize("mode", MODES, ids=lambda mode: f"{'+'.join(mode[0])}-{mode[1]}")
    def test_same_value_and_gradient(self, mode, negatives):
        """Without items the mean is sentence-transformers' loss, and so is every gradient."""
        options = host_options(*mode)
        theirs = [column.requires_grad_() for column in drawn(1, 5, 2 + negatives)]
        ours = [column.detach().clone().requires_grad_() for column in theirs]
        expected = MultipleNegativesRankingLoss(torch.nn.Identity(), 15.0, cos_sim, **options)
        expected = expected.compute_loss_from_embeddings(theirs, None)
        batch = Candidates(ours[0], (ours[1],), tuple(ours[2:]))
        found = everywhere(batch, Contrast(cos_sim, 15.0, *mode)).mean()
        expected.backward()
        found.backward()
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
        for mine, its in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine.grad, its.grad, rtol=1e-10, atol=1e-12)


class TestProperties:
    @given(batches(), st.sampled_from(MODES), st.data())
    @settings(deadline=None, max_examples=25)
    def test_blocks_of_rows(self, batch, mode, data):
        """A row's loss is the same whichever rows are asked for with it, and in whatever order."""
        rows = torch.tensor(data.draw(st.permutations(range(len(batch.queries)))))
        cut = data.draw(st.integers(0, len(rows)))
        contrast = Contrast(cos_sim, 20.0, *mode)
        for function in (info_nce_losses, consistency_losses):
            whole = everywhere(batch, contrast, function)
            parts = torch.cat([function(batch, part, contrast) for part in (rows[:cut], rows[cut:])])
            torch.testing.assert_close(parts, whole[rows])

    @given(batches())
    @settings(deadline=None, max_examples=25)
    def test_items_of_their_own_mask_nothing(self, batch):
        """Items that are all different give what no items give."""
        some = Candidates(batch.queries, batch.positives, batch.negatives, 7 + torch.arange(len(batch.queries)))
        none = Candidates(batch.queries, batch.positives, batch.negatives)
        contrast = Contrast(cos_sim, 20.0, EVERY)
        torch.testing.assert_close(everywhere(some, contrast), everywhere(none, contrast))

    @given(batches(), st.sampled_from(MODES))
    @settings(deadline=None, max_examples=25)
    def test_masks_only_take_away(self, batch, mode):
        """A row never loses more for other rows being of its item, and never less than nothing."""
        contrast = Contrast(cos_sim, 20.0, *mode)
        masked = everywhere(batch, contrast)
        free = everywhere(Candidates(batch.queries, batch.positives, batch.negatives), contrast)
        assert (masked <= free + 1e-9).all()
        assert (masked >= -1e-9).all()

    @given(batches())
    @settings(deadline=None, max_examples=25)
    def test_consistency_is_zero_where_queries_agree(self, batch):
        """Zero for a query of the same direction, positive for another one if documents differ; symmetric."""
        contrast = Contrast(cos_sim, 20.0)
        columns = (batch.positives, batch.negatives, batch.items)
        agreeing = Candidates(batch.queries, *columns, 2 * batch.queries)
        there = everywhere(batch, contrast, consistency_losses)
        back = everywhere(Candidates(batch.parallel_queries, *columns, batch.queries), contrast, consistency_losses)
        assert everywhere(agreeing, contrast, consistency_losses).abs().max() < 1e-12
        torch.testing.assert_close(there, back)
        assert (there >= 0).all()
        assert (there > 0).all() or batch.items is not None or len(batch.queries) == 1

    @pytest.mark.parametrize("items", [None, [0, 1, 0]])
    @pytest.mark.parametrize("mode", [MODES[0], (EVERY, "joint"), MODES[-1]], ids=["forward", "every", "each"])
    def test_gradients(self, mode, items):
        """Gradients are those of finite differences in float64, masked entries or not."""
        items = None if items is None else torch.tensor(items)
        contrast = Contrast(cos_sim, 3.0, *mode)

        def losses(queries, own, parallel, negative, parallel_queries):
            batch = Candidates(queries, (own, parallel), (negative,), items, parallel_queries)
            return everywhere(batch, contrast), everywhere(batch, contrast, consistency_losses)

        columns = [column.requires_grad_() for column in drawn(3, 3, 5, dimension=2)]
        assert torch.autograd.gradcheck(losses, columns)

    @pytest.mark.parametrize("rows", [1, 3])
    def test_no_negatives_at_all(self, rows):
        """Rows of one item without explicit negatives: no loss, no gradient, no NaN; neither from the consistency."""
        queries, passages, parallel = (column.requires_grad_() for column in drawn(5, rows, 3))
        batch = Candidates(queries, (passages,), (), torch.zeros(rows, dtype=torch.int64), parallel)
        for function in (info_nce_losses, consistency_losses):
            losses = everywhere(batch, Contrast(cos_sim, 20.0), function)
            losses.sum().backward()
            assert losses.tolist() == [0.0] * rows
        for column in (queries, passages, parallel):
            assert column.grad.abs().max() == 0.0

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_low_precision(self, dtype):
        """Half-precision embeddings: float32 losses, finite gradients, and the loss of float32 to the type's digits."""
        columns = drawn(7, 6, 4, dimension=16)
        items = torch.tensor([0, 0, 1, 2, 3, 4])
        found = []
        for cast in (torch.float32, dtype):
            own = [column.detach().to(cast, copy=True).requires_grad_() for column in columns]
            batch = Candidates(own[0], (own[1],), (own[2],), items, own[3])
            contrast = Contrast(cos_sim, 100.0, EVERY)
            losses = everywhere(batch, contrast) + everywhere(batch, contrast, consistency_losses)
            losses.sum().backward()
            assert losses.dtype == torch.float32
            assert all(column.grad.isfinite().all() for column in own)
            found.append(losses.detach())
        torch.testing.assert_close(found[1], found[0], rtol=0.05, atol=400 * torch.finfo(dtype).eps)

    def test_autocast(self):
        """Under autocast losses stay float32 and finite, also where scores underflow."""
        queries, passages = (column.requires_grad_() for column in drawn(9, 5, 2, dtype=torch.float32))
        with torch.autocast("cpu", torch.bfloat16):
            batch = Candidates(queries, (passages,), parallel_queries=passages)
            contrast = Contrast(cos_sim, 1000.0)
            losses = everywhere(batch, contrast) + everywhere(batch, contrast, consistency_losses)
        losses.sum().backward()
        assert losses.dtype == torch.float32
        assert losses.isfinite().all()
        assert queries.grad.isfinite().all()


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"scale": 0.0}, "scale must be a positive number, not 0"),
            ({"scale": -1.0}, "scale must be"),
            ({"scale": math.nan}, "scale must be"),
            ({"directions": ()}, "must have 'query_to_doc'"),
            ({"directions": ("doc_to_query",)}, "must have 'query_to_doc'"),
            ({"directions": ("query_to_doc", "doc_to_passage")}, "directions must be some of query_to_doc,"),
            ({"directions": "query_to_doc"}, "directions must be some of"),
            ({"partition_mode": "each"}, "'joint' or 'per_direction', not 'each'"),
            ({"directions": EVERY[:2], "partition_mode": "per_direction"}, "use partition_mode='joint'"),
            ({"directions": (EVERY[0], EVERY[3]), "partition_mode": "per_direction"}, "use partition_mode='joint'"),
        ],
    )
    def test_settings(self, options, message):
        """What cannot be computed is refused, with what would be right."""
        with pytest.raises(OptionError, match=message):
            Contrast(cos_sim, **options)

    def test_consistency_without_parallel_queries(self):
        """There is nothing to compare with."""
        queries, passages = drawn(1, 2, 2)
        with pytest.raises(ValueError, match="parallel queries"):
            everywhere(Candidates(queries, (passages,)), DOT, consistency_losses)
