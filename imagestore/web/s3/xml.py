"""XML as AWS writes and reads it: documents made of names and texts, and bodies within bounds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from imagestore.web.s3.errors import S3Error

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
MOST_BYTES = 4 * 1024 * 1024
"""Of a body that is a document: 10,000 parts with their checksums, 1,000 keys of the longest."""

Child = tuple[str, "str | int | bool | Iterable[Child]"]
"""An element: its name, and its text or what is in it."""

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


def parse(body: bytes, *roots: str) -> Element:
    """The root of a document, without namespaces. Raises S3Error MalformedXML for what is none, has another
    root, or a document type: entities are nobody's need."""
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise malformed() from None
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
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
