"""Fixtures of the MIRACL tests."""

from miracl_folders import data, folders

__all__ = ["data", "folders"]
