"""Cards: what they may say, and what is said of wrong ones."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from written_cards import _own_cache, _own_registry, write_card  # noqa: F401 - for every test here

from mteb_hybrid.errors import CardError
from mteb_hybrid.tasks.cards import Card

DOCS = Path(__file__).parents[2] / "docs" / "collections.md"


class TestCard:
    """Reading."""

    def test_the_cards_of_the_documentation(self, tmp_path):
        """Both are cards; the longer one says everything that a card may say but for a single folder."""
        blocks = re.findall(r"(?:^    name = .*\n)(?:(?:    .*)?\n)*", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
        short, long = (re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in blocks)
        assert Card.read(write_card(tmp_path, short)) == Card(name="Handbook", folder="handbook")
        card = Card.read(write_card(tmp_path, long))
        assert set(tomllib.loads(long)) == set(Card.model_fields) - {"folder"}
        assert card.languages == ("de", "en")
        assert card.folders == {"de": "/data/handbuch", "en": "/data/handbook", "mt": "/data/manwal"}
        assert card.scripts == {"mt": "mlt-Latn"}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("name = ", "card.toml cannot be read: "),
            ('folder = "x"', "card.toml: name: is missing"),
            ('name = "A"', "card.toml: folder: name either a folder or, as [folders], one for each language"),
            ('name = "A"\nfolder = "x"\n[folders]\nen = "x"', "folder: name either a folder or"),
            ('name = "A"\nfolder = "x"\nsplitt = "dev"', "splitt: unknown key; did you mean 'split'?"),
            ('name = "A"\nfolder = "x"\nqrels = "dev"', "qrels: unknown key; there are name, folder, folders, split"),
            ('name = "A"\nfolder = ""', "folder: String should have at least 1 character, got ''"),
            ('name = "A"\nfolder = 3', "folder: Input should be a valid string, got 3"),
            ('name = "A"\nfolder = "x"\nlanguages = "en"', 'card.toml: languages: must be a list, ["en"]'),
            ('name = "A"\nfolder = "x"\nlanguages = 3', 'languages: must be a list, ["de"]'),
            ('name = "A"\nfolder = "x"\nlanguages = []', "languages: is empty; leave it out"),
            (
                'name = "A"\n[folders]\nen = "x"\nsplit = "dev"',
                "folders.split: is no language; write split above the line",
            ),
            ('folder = "x"\nsplitt = "dev"', "card.toml: name: is missing; splitt: unknown key"),
        ],
    )
    def test_wrong_cards(self, tmp_path, text, message):
        """File and key are named; several mistakes are said at once."""
        path = write_card(tmp_path, text)
        with pytest.raises(CardError) as raised:
            Card.read(path)
        assert message in str(raised.value)
        assert str(path) in str(raised.value)

    def test_no_card(self, tmp_path):
        """A file that is not there, or no text."""
        with pytest.raises(CardError, match=r"no\.toml cannot be read"):
            Card.read(tmp_path / "no.toml")
        (tmp_path / "card.toml").write_bytes(b'name = "\xff"')
        with pytest.raises(CardError, match=r"card\.toml cannot be read"):
            Card.read(tmp_path / "card.toml")
