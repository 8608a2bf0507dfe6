"""XML as AWS writes and reads it: documents made of names and texts, and bodies within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from imagestore.web.s3.errors import S3Error

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
MOST_BYTES = 4 * 1024 * 1024
"""Of a body that is a document: 10,000 parts with their checksums, 1,000 keys of the longest."""

DEEPEST = 16
MOST_NODES = 10_000
"""Elements and attributes: 1,000 keys with all that can be said of each have 7,000."""
LARGEST = 100_000
"""Of the documents that may have more: 10,000 parts with every checksum have 80,000."""
MOST_PREFIXES = 100
"""Of namespaces: the more of them there are, the longer each one takes."""

Child = tuple[str, "str | int | bool | Iterable[Child]"]
"""An element: its name, and its text or what is in it."""

_LONG_TAG = re.compile(rb"<[^<>]{16384}")
"""One with so many attributes that reading it alone takes long."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")


def render(name: str, children: Iterable[Child] | str) -> bytes:
    """A document, of elements or of a text alone.

    Control characters, which XML 1.0 cannot hold, are references, as AWS has them.
    """
    pieces = ['<?xml version="1.0" encoding="UTF-8"?>\n', f'<{name} xmlns="{NAMESPACE}">']
    if isinstance(children, str):
        pieces.append(_text(children))
    else:
        _write(pieces, children)
    pieces.append(f"</{name}>")
    return "".join(pieces).encode("utf-8", "surrogatepass")


def render_plain(name: str, children: Iterable[Child]) -> bytes:
    """A document without a namespace, as errors are."""
    return render(name, children).replace(f' xmlns="{NAMESPACE}"'.encode(), b"", 1)


def _write(pieces: list[str], children: Iterable[Child]) -> None:
    for name, content in children:
        pieces.append(f"<{name}>")
        if isinstance(content, bool):
            pieces.append("true" if content else "false")
        elif isinstance(content, (str, int)):
            pieces.append(_text(str(content)))
        else:
            _write(pieces, content)
        pieces.append(f"</{name.partition(' ')[0]}>")


def _text(text: str) -> str:
    return _CONTROL.sub(lambda found: f"&#x{ord(found[0]):x};", escape(text, {'"': "&quot;"}))


class Builder(TreeBuilder):
    """Of elements without their namespaces. What has more of them, or deeper ones, than any document of S3
    takes memory and time, and is malformed."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._depth = self._nodes = 0
        self._most = most
        self._prefixes = set[str]()

    def start_ns(self, prefix: str, _uri: str, /) -> None:
        self._prefixes.add(prefix)
        if len(self._prefixes) > MOST_PREFIXES:
            raise malformed()

    def start(self, tag: str, attributes: dict[str, str], /) -> Element:
        self._depth += 1
        self._nodes += 1 + len(attributes)
        if self._depth > DEEPEST or self._nodes > self._most:
            raise malformed()
        return super().start(tag.rpartition("}")[2], attributes)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag.rpartition("}")[2])


def parse(body: bytes, *roots: str, most: int = MOST_NODES) -> Element:
    """The root of a document of so many nodes at most, without namespaces. Raises S3Error MalformedXML for
    what is none, has another root, or a document type: entities are nobody's need."""
    if _LONG_TAG.search(body):
        raise malformed()
    parser = DefusedXMLParser(target=Builder(most), forbid_dtd=True)
    try:
        parser.feed(body)
        root: Element = parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise malformed() from None
    if root.tag not in roots:
        raise malformed()
    return root


def text_of(element: Element, name: str, default: str | None = None) -> str:
    """The text of a child. Raises S3Error MalformedXML where it is missing and there is no default."""
    found = element.find(name)
    if found is None:
        if default is None:
            raise malformed()
        return default
    return found.text or ""


def malformed(why: str = "") -> S3Error:
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return S3Error("MalformedXML", f"{message}{': ' + why if why else ''}")


def stamp(moment: datetime) -> str:
    """A date as documents have it: whole seconds, milliseconds shown."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
