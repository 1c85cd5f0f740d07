"""The site: it builds without a warning, has every page, and no link of any page leads nowhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """A page without its code."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^    .*$", "", text, flags=re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What headings are called in an address, as GitHub and Python-Markdown do it."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def in_nav(entry: Any) -> list[str]:
    """The files of a navigation, in their order."""
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [file for part in parts for file in in_nav(part)]


@pytest.fixture(scope="module")
def nav() -> list[str]:
    return in_nav(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])


def test_every_page_is_in_the_navigation_and_on_the_front_page(nav):
    """Each once in the navigation, and linked from index.md."""
    assert sorted(nav) == [page.relative_to(DOCS).as_posix() for page in PAGES]
    linked = set(LINK.findall(prose(DOCS / "index.md")))
    assert {file for file in nav if file != "index.md"} <= linked


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """Files and headings that a page links to are there; pages of the site link to the site only, or the web."""
    for link in LINK.findall(prose(page)):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.is_file(), link
        assert page not in PAGES or target.is_relative_to(DOCS), link
        assert not anchor or anchor in anchors(target), link


def test_pictures_are_small():
    """No picture of the docs has more than 200 kB, and each is on some page."""
    shown = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "README.md", *PAGES))
    for picture in (DOCS / "images").iterdir():
        assert picture.stat().st_size < 200_000
        assert f"images/{picture.name})" in shown


@pytest.mark.slow
def test_it_builds(tmp_path, nav):
    """`mkdocs build --strict`, which fails on any warning, writes a page for each of ours."""
    if importlib.util.find_spec("material") is None:
        pytest.skip('mkdocs-material is not installed: pip install "mteb-hybrid[docs]"')
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert all((tmp_path / file).with_suffix(".html").is_file() for file in nav)
