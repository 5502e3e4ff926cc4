"""XML of strangers: read within bounds of size, depth and number, without document types, entities or addresses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from stream.errors import CodecError, NoticeRefused

MAX_XML_BYTES = 1 << 20
_MAX_DEPTH = 32
_MAX_NODES = 20_000


@dataclass(slots=True)
class Node:
    """An element of an XML document.

    Attributes
    ----------
    name : str
        Without its namespace's prefix.
    attributes : dict of str to str
    text : str
        What stands in it, without that of its children.
    children : list of Node
    """

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def each(self, *names: str) -> Iterator[Node]:
        """Yield the elements below this one that have one of these names, in the document's order."""
        for child in self.children:
            if child.name in names:
                yield child
            yield from child.each(*names)

    def first(self, name: str) -> str:
        """Return the text of the first element of a name, or an empty one."""
        return next((node.text.strip() for node in self.each(name)), "")


def read_xml(raw: bytes) -> Node:
    """Return the outermost element of a document in UTF-8.

    Raises
    ------
    NoticeRefused
        ``doctype``, if it declares a document type, and with it perhaps entities.
    CodecError
        If it is too long, too deep or of too many elements, or no XML.
    """
    if len(raw) > MAX_XML_BYTES:
        raise CodecError(f"{len(raw)} bytes of XML: at most {MAX_XML_BYTES} are read")
    builder = _Builder()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = builder.words, _no_doctype
    try:
        parser.Parse(raw, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise CodecError(f"{len(raw)} bytes are no XML in UTF-8: {error}") from error
    return builder.root.children[0]


def _no_doctype(name: str, *_: object) -> None:
    raise NoticeRefused("doctype", f"XML that declares a document type, {name[:64]!r}: notices have none")


class _Builder:
    def __init__(self) -> None:
        self.root = Node("")
        self._open = [self.root]
        self._words: list[list[str]] = [[]]
        self._nodes = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._nodes += 1
        if len(self._open) > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise CodecError(f"XML nested deeper than {_MAX_DEPTH}, or of more than {_MAX_NODES} elements")
        node = Node(name.rpartition(":")[2], {key.rpartition(":")[2]: value for key, value in attributes.items()})
        self._open[-1].children.append(node)
        self._open.append(node)
        self._words.append([])

    def end(self, _name: str) -> None:
        self._open.pop().text = "".join(self._words.pop())

    def words(self, text: str) -> None:
        self._words[-1].append(text)
