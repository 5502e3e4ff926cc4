"""SCiMMA's messages: hop's JSON with ``format`` and ``content``, around a VOEvent, a notice, a circular, or words.

A VOEvent's content is its document as nested objects, attributes and elements alike by their names, as hop-client
writes it (https://hop-client.readthedocs.io), or the document itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from stream.codec.xml_tree import Node
from stream.errors import CodecError, NoticeRefused

_MAX_DEPTH = 16
_MAX_NODES = 20_000


def is_wrapped(data: object) -> bool:
    """Whether a JSON value is one of hop's messages."""
    return (
        isinstance(data, Mapping) and isinstance(data.get("format"), str) and "content" in data and "body" not in data
    )


def unwrap(data: Mapping[str, object]) -> bytes | Node | Mapping[str, object]:
    """Return what a message holds: bytes in a form of their own, a VOEvent, or a JSON object. Lines stay lines.

    Raises
    ------
    NoticeRefused
        If it is a circular, or holds none of these.
    CodecError
        If it holds too many values.
    """
    kind, content = str(data["format"]).lower()[:64], data["content"]
    if kind == "circular" or (isinstance(content, Mapping) and {"header", "body"} <= content.keys()):
        raise NoticeRefused("circular", "a GCN circular from hop: its text is for people")
    if isinstance(content, str):
        return content.encode("utf-8", "replace")
    if not isinstance(content, Mapping):
        raise NoticeRefused("not_a_notice", f"hop message of format {kind!r} without a document")
    document = next((content[key] for key in ("voe:VOEvent", "VOEvent") if key in content), content)
    if isinstance(document, Mapping) and ("ivorn" in document or "@ivorn" in document):
        return _element("VOEvent", document, [0])
    if "NOTICE_TYPE" in content:
        return "\n".join(f"{key}: {value}" for key, value in content.items()).encode("utf-8", "replace")
    return content


def _element(name: str, value: object, count: list[int], depth: int = 0) -> Node:
    """Return an element of a document in nested objects; what is text is an attribute, and an element, of its name."""
    count[0] += 1
    if depth > _MAX_DEPTH or count[0] > _MAX_NODES:
        raise CodecError(f"VOEvent nested deeper than {_MAX_DEPTH}, or of more than {_MAX_NODES} elements")
    node = Node(name.rpartition(":")[2])
    if not isinstance(value, Mapping):
        node.text = "" if value is None else str(value)
        return node
    for key, inner in value.items():
        plain = str(key).lstrip("@#").rpartition(":")[2]
        if key in ("#text", "text", "_text", "value") and not isinstance(inner, Mapping | list) and inner is not None:
            node.text = str(inner)
        if not isinstance(inner, Mapping | list) and inner is not None:
            node.attributes[plain] = str(inner)
        for each in inner if isinstance(inner, list) else [inner]:
            node.children.append(_element(plain, each, count, depth + 1))
    return node
