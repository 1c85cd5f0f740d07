"""Fixtures of the tests of MIRACL and of parallel collections."""

from miracl_folders import data, folders
from parallel_by_hand import counted

__all__ = ["counted", "data", "folders"]
