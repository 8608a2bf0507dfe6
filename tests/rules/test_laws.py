"""The laws of the house that no linter knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagestore.core import errors
from imagestore.web.frontdoor import ANSWERS, HTTP_CODES

pytestmark = pytest.mark.quick

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "imagestore"
SOURCES = sorted(PACKAGE.rglob("*.py"))

HOMES = {
    "PIL": ("imaging/engine/",),
    "numpy": ("imaging/engine/", "imaging/faces.py"),
    "cv2": ("imaging/faces.py",),
    "redis": ("cache/",),
    "hiredis": ("cache/",),
    "pymongo": ("store/", "embedded/"),
    "gridfs": ("store/",),
    "bson": ("store/",),
    "blake3": ("cache/",),
    "xxhash": ("store/",),
    "flask": ("web/", "app.py"),
    "flask_openapi3": ("web/", "app.py"),
    "werkzeug": ("web/", "edge/"),
    "click": ("cli/",),
    "rich": ("cli/",),
    "httpx": ("client/", "library/webhook.py", "library/purgehook.py"),
    "prometheus_client": ("core/metrics",),
    "gunicorn": ("cli/", "edge/"),
    "opentelemetry": ("core/traces_opentelemetry.py",),
}
"""Where each library may be imported. `embedded/` needs the driver to found its replica set."""

LONGEST_FILE = 300
LONGEST_WITH_REASON = 450
LONGEST_FUNCTION = 40
MOST_PARAMETERS = 6
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "misc"}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_library_is_imported_in_its_one_place(path: Path) -> None:
    for library in imported(ast.parse(path.read_text())):
        homes = HOMES.get(library)
        assert homes is None or name_of(path).startswith(homes), f"{library} belongs in {homes}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_and_its_functions_keep_their_size(path: Path) -> None:
    text = path.read_text()
    lines = len(text.splitlines())
    has_reason = "This file is longer than" in "\n".join(text.splitlines()[:20])
    assert lines <= (LONGEST_WITH_REASON if has_reason else LONGEST_FILE)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno + 1 <= LONGEST_FUNCTION, node.name
            arguments = [
                each for each in [*node.args.posonlyargs, *node.args.args] if each.arg not in ("self", "cls")
            ]
            positional = len(arguments) + (0 if node.name == "__init__" else len(node.args.kwonlyargs))
            assert positional <= MOST_PARAMETERS, node.name


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_opens_with_one_sentence(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, "no docstring"
    assert docstring.splitlines()[0].endswith((".", ":")), "the first line is not a sentence"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_modules_are_nouns_of_the_trade(path: Path) -> None:
    assert not FORBIDDEN_NAMES & set(re.split(r"[/_.]", name_of(path)))


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if not name_of(p).startswith(("web/", "edge/", "client"))], ids=name_of
)
def test_no_http_status_lives_below_the_web(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute | ast.Name | ast.arg | ast.keyword):
            name = (
                getattr(node, "attr", None) or getattr(node, "id", None) or getattr(node, "arg", None) or ""
            )
            assert name not in ("status_code", "http_status", "HTTPStatus"), name
            # As a method it may be that of an asyncio transport; Flask's is at home in the web.
            assert name != "abort" or isinstance(node, ast.Attribute), name


def test_every_error_leaf_has_one_code_and_a_place_in_the_drawing() -> None:
    leaves = errors.leaves()
    codes = [leaf.code for leaf in leaves]
    assert len(set(codes)) == len(codes)
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    classes = {leaf.__name__ for leaf in leaves}
    assert classes <= set(drawn)
    assert all(hasattr(errors, name) for name in drawn)


def test_every_error_leaf_has_its_answer_on_the_web() -> None:
    assert {leaf.code for leaf in errors.leaves()} == set(ANSWERS)
    assert all(400 <= status <= 504 and status != 500 for status in ANSWERS.values())
    assert not set(HTTP_CODES.values()) & {"", None}


def test_the_repository_names_nothing_of_the_machine_it_was_made_on() -> None:
    forbidden = re.compile(r"/work/|/root/|/home/\w|site-packages/fiftyone|\.example\.invalid")
    for path in [
        *SOURCES,
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        ROOT / "Makefile",
        ROOT / "setup.cfg",
    ]:
        found = forbidden.search(path.read_text()) if path.exists() else None
        assert found is None, f"{path}: {found}"
