"""A page's elements and words, read strictly: what is not well-formed fails."""

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """A page's elements and text; complains where an element is not closed in its place."""

    def __init__(self, text: str) -> None:
        """Read a page."""
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        """Note an element."""
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice in {tag}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Note an element without content."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        """See that the innermost element is the one that ends."""
        assert self._open.pop() == tag

    def handle_data(self, data):
        """Note text that is not style."""
        if self._open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        return " ".join("".join(self.words).split())

    def attributes(self, name: str) -> list[str]:
        """Every value of an attribute."""
        return [
            value or "" for _, found in self.elements for key, value in found.items() if key == name
        ]

    def classed(self, name: str) -> list[dict[str, str | None]]:
        """Elements of a class."""
        return [found for _, found in self.elements if name in (found.get("class") or "").split()]

    def count(self, tag: str, css_class: str) -> int:
        """How many elements have a class."""
        return sum(
            found == tag and css_class in (attributes.get("class") or "").split()
            for found, attributes in self.elements
        )
