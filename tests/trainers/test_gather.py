"""Embeddings of all processes in one batch: two forked processes against the tensors and gradients of one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from sentence_transformers.util import cos_sim

from mteb_hybrid.trainers.labels import encode_label
from mteb_hybrid.trainers.losses.contrast import Contrast
from mteb_hybrid.trainers.losses.gather import distributed, gathered, rank
from mteb_hybrid.trainers.losses.objective import BatchLabels, Objective

SHAPE = (2, 3, 4)


def own_tensor(process: int) -> torch.Tensor:
    """The tensor of a process: not contiguous, as a transposed one is."""
    generator = torch.Generator().manual_seed(process)
    return torch.randn(*SHAPE[::-1], generator=generator, dtype=torch.float64).permute(2, 1, 0)


def weights(process: int, dim: int) -> torch.Tensor:
    """What a process multiplies the joined tensor with, so that gradients differ; those of one are not contiguous."""
    joined = [size * (1 + (place == dim)) for place, size in enumerate(SHAPE)]
    generator = torch.Generator().manual_seed(10 + process)
    turned = torch.randn(joined[::-1], generator=generator, dtype=torch.float64).permute(2, 1, 0)
    return turned.contiguous() if process else turned


def alone(dim: int) -> list[torch.Tensor]:
    """The joined tensor, and the gradient of each process's part, where one process has all of it."""
    parts = [own_tensor(process).requires_grad_() for process in range(2)]
    joined = torch.cat(parts, dim=dim)
    sum((joined * weights(process, dim)).sum() for process in range(2)).backward()
    return [joined.detach(), *(part.grad for part in parts)]


def two_processes(folder: Path, work: Callable[[], object]) -> list[object]:
    """What each of two forks of this process returns."""
    children = []
    for process in range(2):
        child = os.fork()
        if not child:
            code = 1
            try:
                signal.alarm(60)  # whoever waits for the other one for ever
                dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=process, world_size=2)
                torch.save(work(), folder / f"{process}.pt")
                dist.destroy_process_group()
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0, 0]
    return [torch.load(folder / f"{process}.pt", weights_only=False) for process in range(2)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_two_processes(tmp_path, dim):
    """Both get the parts in the order of ranks; a part's gradient is the sum of what both derive for it."""

    def work() -> tuple[bool, int, torch.Tensor, torch.Tensor]:
        own = own_tensor(rank()).requires_grad_()
        joined = gathered(own, dim) if dim else gathered(own)
        (joined * weights(rank(), dim)).sum().backward()
        return distributed(), rank(), joined.detach(), own.grad

    joined, *gradients = alone(dim)
    for process, found in enumerate(two_processes(tmp_path, work)):
        assert found[:2] == (True, process)
        torch.testing.assert_close(found[2], joined, rtol=0, atol=0)
        torch.testing.assert_close(found[3], gradients[process])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize("gather", [True, False])
def test_items_of_two_processes(tmp_path, gather):
    """Items are those of all rows if embeddings are exchanged; what is said of own rows is of own rows."""

    def work() -> BatchLabels:
        labels = encode_label(torch.tensor([3, 5 + rank()]), torch.tensor([0, 1]))
        return BatchLabels.read(labels, mask_same_item=True, gather=gather)

    for process, found in enumerate(two_processes(tmp_path, work)):
        assert found.items.tolist() == ([3, 5, 3, 6] if gather else [3, 5 + process])
        assert found.cross_lingual.tolist() == [False, True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize("cached", [False, True])
def test_objective_of_two_processes(tmp_path, cached):
    """Loss, parts and gradients of both halves of a batch, averaged, are those of one process with all rows."""
    labels = encode_label(torch.tensor([3, 3, 3, 4, 3, 5]), torch.tensor([0, 0, 1, 0, 1, 0]), parallel=True)
    contrast = Contrast(cos_sim, directions=("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc"))

    def found(rows: slice, *, gather: bool) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(1)
        columns = [torch.randn(6, 3, generator=generator, dtype=torch.float64) for _ in range(5)]
        own = [column[rows].clone().requires_grad_() for column in columns]
        objective = Objective(contrast, parallel_positives=True, consistency=0.5, gather=gather)
        read = BatchLabels.read(labels[rows], mask_same_item=True, gather=gather)
        loss, parts = objective(own, read, rows_at_once=2 if cached else None, with_backward=cached)
        if not cached:
            loss.backward()
        return [loss.detach(), parts, *(column.grad for column in own)]

    def work() -> list[torch.Tensor]:
        return found(slice(0, 3) if rank() == 0 else slice(3, 6), gather=True)

    (loss, parts, *gradients), halves = found(slice(0, 6), gather=False), two_processes(tmp_path, work)
    torch.testing.assert_close((halves[0][0] + halves[1][0]) / 2, loss)
    torch.testing.assert_close((halves[0][1] + halves[1][1]) / 2, parts)
    for whole, *pieces in zip(gradients, *(half[2:] for half in halves), strict=True):
        torch.testing.assert_close(torch.cat(pieces) / 2, whole)


def test_one_process():
    """Alone a process is the first, and has its own tensor, the same and no copy."""
    own = own_tensor(0)
    assert not distributed()
    assert rank() == 0
    assert gathered(own) is own
