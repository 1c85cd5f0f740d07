"""The page as a plain reader of HTML sees it."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Elements of a page in their order, each with its attributes and text; complains about tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[dict] = []
        self._open: list[dict] = []
        self.feed(text)
        assert not self._open, f"never closed: {[one['tag'] for one in self._open]}"

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", "inside": [one["tag"] for one in self._open], **dict(attrs)}
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        closed = self._open.pop()
        assert closed["tag"] == tag, f"</{tag}> closes <{closed['tag']}>"

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def of(self, tag: str) -> list[dict]:
        return [element for element in self.elements if element["tag"] == tag]

    def numbers(self) -> list[tuple[str, str]]:
        """All numbers that are shown: in full, and as text."""
        shown = [one for one in self.elements if "data-value" in one]
        return [(one["data-value"], one["text"].replace("best", "").replace("second", "").strip()) for one in shown]
