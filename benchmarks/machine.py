"""The machine and the versions that figures were taken with."""

from __future__ import annotations

import platform
from importlib.metadata import version

import torch


def machine() -> str:
    """The machine and the versions, in a line."""
    packages = ("mteb-hybrid", "mteb", "sentence-transformers", "torch", "numpy")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} CPU threads"
    return f"{platform.machine()}, {device}, Python {platform.python_version()}, " + ", ".join(
        f"{package} {version(package)}" for package in packages
    )
