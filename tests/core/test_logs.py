"""The log's lines, what they say of the request, and that no secret gets into them."""

from __future__ import annotations

import contextvars
import json
import logging
from collections.abc import Iterator

import pytest

from imagestore.core.logs import HIDDEN, REQUEST, Redactor, RequestNote, passwords_of, set_up_logging

pytestmark = pytest.mark.quick

log = logging.getLogger("imagestore.some.part")
NOTE = RequestNote("request-id-1", "GET", "/default/image/upload/é\n.jpg")


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    named = [logging.getLogger(name) for name in ("", "imagestore.access", "imagestore.audit", "pymongo")]
    kept = [(logger, logger.handlers[:], logger.level) for logger in named]
    yield
    logging.captureWarnings(False)
    for logger, handlers, level in kept:
        logger.handlers[:], logger.level = handlers, level
        logger.manager._clear_cache()


def in_request(work) -> None:
    def enter() -> None:
        REQUEST.set(NOTE)
        work()

    contextvars.Context().run(enter)


def test_logging_is_set_up_once_however_often() -> None:
    set_up_logging("warning")
    set_up_logging("info")
    assert len(logging.getLogger().handlers) == 1
    assert logging.getLogger().level == logging.INFO
    assert not logging.getLogger("pymongo.command").isEnabledFor(logging.INFO)


def test_a_line_of_text_names_its_request_without_breaking(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("info")
    log.warning("alone")
    in_request(lambda: log.warning("in it", extra={"fields": {"key": "a\nb", "none": None, "status": 200}}))
    alone, inside = capsys.readouterr().err.splitlines()
    assert alone.endswith("WARNING imagestore.some.part: alone")
    assert inside.endswith(
        r"WARNING imagestore.some.part: [request-id-1] GET /default/image/upload/\xe9\n.jpg: in it"
        r' key="a\nb" status=200'
    )


def test_a_line_of_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("info", "json")

    def fail() -> None:
        try:
            raise ValueError("of\ntwo lines")
        except ValueError:
            log.exception("it %s", "failed", extra={"fields": {"status": 500}})

    in_request(fail)
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert entry.pop("time").endswith("+00:00")
    assert "ValueError: of\ntwo lines" in entry.pop("exception")
    assert entry == {
        "level": "error",
        "logger": "imagestore.some.part",
        "message": "it failed",
        "request_id": NOTE.id,
        "method": "GET",
        "path": NOTE.path,
        "status": 500,
    }


@pytest.mark.parametrize(("access", "audit"), [(True, False), (False, True)])
def test_access_and_audit_are_chosen_apart_from_the_level(
    capsys: pytest.CaptureFixture[str], access: bool, audit: bool
) -> None:
    set_up_logging("error", access=access, audit=audit)
    logging.getLogger("imagestore.access").info("an access")
    logging.getLogger("imagestore.audit").info("an audit")
    said = capsys.readouterr().err
    assert ("an access" in said, "an audit" in said) == (access, audit)


SECRET = "S3cr3t/with+odd='chars"
TRACES = [
    ("mongodb://user:hunter22@db/?x=1", "hunter22"),
    ("redis://:hunter22@cache:6379/0 is away", "hunter22"),
    ("GET /a?access_key=IS1&expires=9&signature=AbCdEf123_-x HTTP/1.1", "AbCdEf123_-x"),
    ('{"secret": "hunter22"}', "hunter22"),
    ("password=hunter22, and more", "hunter22"),
    ("Authorization: Basic QURNSU46aHVudGVyMjI=", "QURNSU46aHVudGVyMjI"),
    ("headers {'Authorization': 'Bearer abc.def.ghi'}", "abc.def.ghi"),
    ("[(b'authorization', b'Basic QURNSU46aHVudGVyMjI=')]", "QURNSU46aHVudGVyMjI"),
    ("sent Basic QURNSU46aHVudGVyMjI=", "QURNSU46aHVudGVyMjI"),
    ("/demo/image/upload/s--AbCdEf12--/w_100/a.jpg", "AbCdEf12"),
    ("DELETE /v1/credentials/c-C4hShLiey6Awei2mxMSb3znC_LJloE2SRRdI0ujyU", "c-C4h"),
    (f"the key is {SECRET}.", SECRET),
    ("as in a URL S3cr3t%2Fwith%2Bodd%3D%27chars", "S3cr3t%2F"),
]


@pytest.mark.parametrize(("text", "secret"), TRACES)
def test_what_is_secret_or_looks_so_is_hidden(text: str, secret: str) -> None:
    hidden = Redactor([SECRET, "", "abc"]).hide(text)
    assert secret not in hidden
    assert HIDDEN in hidden


@pytest.mark.parametrize(
    "text",
    [
        "GET /default/image/upload/secretary.jpg",
        "blob 0123abc (file 1) is damaged",
        "abc https://a.example/b@c",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor(["", "abc"]).hide(text) == text


@pytest.mark.parametrize("form", ["text", "json"])
def test_messages_fields_paths_and_tracebacks_are_hidden(
    capsys: pytest.CaptureFixture[str], form: str
) -> None:
    set_up_logging("info", form, secrets=[SECRET])  # type: ignore[arg-type]

    def work() -> None:
        REQUEST.set(RequestNote("request-id-1", "GET", f"/{SECRET}"))
        try:
            raise ValueError(SECRET)
        except ValueError:
            log.exception("%s", SECRET, extra={"fields": {"key": SECRET}})

    contextvars.Context().run(work)
    said = capsys.readouterr().err
    assert "S3cr3t" not in said
    assert said.count(HIDDEN) >= 4


def test_the_passwords_of_a_url() -> None:
    for url, passwords in (
        ("mongodb://me:p%40ss@db/", {"p%40ss"}),
        ("mongodb://me:p%40ss@db?x=a@b:c/", {"p%40ss"}),
        ("redis+cluster://:pass@[::1]:7,[fd00::2]:8", {"pass"}),
        ("redis+sentinel://u:pass@a,b/name?sentinel_username=u&sentinel_password=own", {"pass", "own"}),
        ("mongodb://db/", set()),
        ("none", set()),
        ("", set()),
    ):
        assert {*passwords_of(url)} - {""} == passwords
