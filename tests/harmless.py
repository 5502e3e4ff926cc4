"""What a browser would make of a page, and that it does nothing but be read."""

from __future__ import annotations

from html.parser import HTMLParser

ALLOWED = {
    "html", "head", "body", "main", "meta", "title", "style", "link", "h1", "h2", "p", "b", "i", "u", "em", "a", "span",
    "div", "section", "figure", "figcaption", "img", "table", "tr", "th", "td", "svg", "rect", "line", "text", "footer",
}  # fmt: skip


class Tags(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data + "\n"


def check_harmless(page: str) -> None:
    """Refuse a page that runs, loads or sends anything."""
    found = Tags(page)
    assert {tag for tag, _ in found.tags} <= ALLOWED
    for tag, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith(("data:", "../index.html", "events/TS")), (
                tag,
                attributes,
            )
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "url(" not in page
