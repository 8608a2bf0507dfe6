"""What schemathesis is told of REST: real pictures, texts that hold, and names of things that are there.

It runs as a program of its own, which imports this file (SCHEMATHESIS_HOOKS).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os

import schemathesis
from hypothesis import strategies as st

from imagestore.core.errors import InvalidKey
from imagestore.core.image import check_key
from tests import pictures

PICTURES = st.sampled_from([pictures.picture(format) for format in pictures.FORMATS])
LETTERS = st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp"), exclude_characters=",/\ufffd")
WORDS = st.text(LETTERS, min_size=1, max_size=20).filter(
    lambda word: word == word.strip() and word not in (".", "..")
)
CONTEXTS = st.dictionaries(WORDS, st.text(LETTERS, max_size=20), max_size=5)

for media_type in ("image/*", "application/octet-stream"):
    schemathesis.openapi.media_type(media_type, PICTURES)
schemathesis.openapi.format("binary", PICTURES)
schemathesis.openapi.format("key", st.lists(WORDS, min_size=1, max_size=4).map("/".join))
schemathesis.openapi.format("tag", WORDS)
schemathesis.openapi.format("tags", st.lists(WORDS, max_size=5).map(",".join))
schemathesis.openapi.format("context", CONTEXTS.map(json.dumps))
schemathesis.openapi.format(
    "transformation", st.sampled_from(["c_scale,w_100", "e_sepia/f_auto,q_auto", "c_fill,w_0.5,ar_1:1"])
)
schemathesis.openapi.format(
    "cursor", WORDS.map(lambda key: base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode())
)

KNOWN = json.loads(os.environ["SCHEMATHESIS_KNOWN"])
"""Parameters of paths, by name, that lead to an image which is there."""


@schemathesis.hook
def flatmap_path_parameters(
    context: schemathesis.HookContext, path_parameters: dict[str, object] | None
) -> st.SearchStrategy[dict[str, object] | None]:
    """Every other path that could lead somewhere does, unless what is there would be deleted."""
    given = path_parameters or {}
    deletes = context.operation is not None and context.operation.method == "delete"
    if deletes or not all(is_good(name, value) for name, value in given.items()):
        return st.just(path_parameters)
    known = {name: KNOWN[name] for name in given if name in KNOWN}
    return st.sampled_from([path_parameters, {**given, **known}] if known else [path_parameters])


def is_good(name: str, value: object) -> bool:
    """Whether a value is one that the document allows: the others are meant to be refused."""
    if name == "number":
        return type(value) is int and 0 <= value < 10**15
    if not isinstance(value, str):
        return False
    with contextlib.suppress(InvalidKey):
        return name != "key" or check_key(value) == value
    return False


@schemathesis.hook
def filter_body(context: schemathesis.HookContext, body: object) -> bool:
    """A form has nothing but text: what is of another type in it would be sent, and be taken, as text."""
    return (
        not isinstance(body, dict)
        or "file" not in body
        or all(isinstance(body.get(name, ""), str) for name in ("key", "tags", "context"))
    )


@schemathesis.hook
def filter_query(context: schemathesis.HookContext, query: dict[str, object] | None) -> bool:
    """What is not sent at all, such as an empty list, is no parameter too many."""
    return all(map(is_sent, (query or {}).values()))


def is_sent(value: object) -> bool:
    """Whether anything of a query's value gets into the URL."""
    return any(map(is_sent, value)) if isinstance(value, list) else value not in (None, {})


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """What breaks nothing that is sent is none to be refused: a credential that was left out is put back, and
    no validator knows our formats, so a text that was to break one may well keep it. (What breaks patterns,
    lengths and types alone is sent.)
    """
    data = case.meta.phase.data if case.meta else None
    mutations = getattr(data, "mutations", None) or ()
    return not mutations or not all(
        "format" in each.keywords or each.parameter == "Authorization" for each in mutations
    )
