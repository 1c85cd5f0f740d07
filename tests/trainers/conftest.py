"""What the tests of training share."""

from __future__ import annotations

import pytest
import torch
from evaluated_parts import tiny
from loss_batches import loaded, model
from recipe_trainings import base, recipe, trained

__all__ = ["base", "loaded", "model", "recipe", "tiny", "trained"]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Threads cost more than they give with models of eight dimensions."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
