"""The documents and the code say the same: tables, codes, paths, links and examples."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from imagestore.core.metrics import TABLE
from imagestore.core.urls import check_signature
from imagestore.settings import Settings
from imagestore.settings.variables import PREFIX, environment_name, variables
from imagestore.web.frontdoor import ANSWERS, HTTP_CODES
from tests import pictures
from tests.rules import tables
from tests.service import running_service

PAGES = [tables.ROOT / "README.md", tables.ROOT / "CHANGELOG.md", *sorted(tables.DOCS.glob("*.md"))]
TEXTS = {page: page.read_text() for page in PAGES}
WRITE_ANEW = "run `python -m tests.rules.tables`, and look at what it changed"


def name_of(page: Path) -> str:
    return page.relative_to(tables.ROOT).as_posix()


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def unfenced(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", unfenced(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.quick
@pytest.mark.parametrize("page", sorted({page for page, _ in tables.TABLES.values()}))
def test_the_tables_are_what_the_code_says(page: str) -> None:
    assert (tables.DOCS / page).read_text() == tables.renewed(page), WRITE_ANEW


@pytest.mark.quick
@pytest.mark.parametrize("name", tables.TABLES)
def test_every_table_stands_in_its_page(name: str) -> None:
    assert (tables.DOCS / tables.TABLES[name][0]).read_text().count(f"<!-- table: {name} -->") == 1


@pytest.mark.quick
def test_the_table_of_settings_has_name_default_and_meaning_of_each() -> None:
    rows = tables.settings_table()
    for each in Settings.__dataclass_fields__.values():
        assert f"`{environment_name(each)}`" in rows
        assert each.metadata["about"] in rows
        assert str(each.default) == "" or f"`{each.default}`" in rows


@pytest.mark.quick
def test_the_table_of_routes_has_every_rule_of_the_application() -> None:
    rows = set(re.findall(r"^\| `(\w+ \S+)` \|", tables.routes_table(), re.MULTILINE))
    expected = set()
    for rule in tables.make_app().url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        expected |= {f"{method} {path}" for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert expected <= rows
    assert rows - expected == {"OPTIONS /{bucket}/image/upload/{rest}"}


@pytest.mark.quick
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_variable_that_a_page_names_is_a_setting(page: Path) -> None:
    known = {name for each in Settings.__dataclass_fields__.values() for name in variables(each)}
    assert set(re.findall(rf"\b{PREFIX}[A-Z0-9_]*[A-Z]", TEXTS[page])) <= known


@pytest.mark.quick
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    from imagestore.cli import main

    known = {path for path, _ in tables.walk("imagestore", main)}
    for named in re.findall(r"`imagestore ((?:[a-z]+ ?)+)", TEXTS[page]):
        words = named.split()
        group = words[0] in ("bucket", "credential", "transformation")
        assert f"imagestore {' '.join(words[: 2 if group else 1])}" in known, named


@pytest.mark.quick
@pytest.mark.parametrize("page", [tables.DOCS / "metrics.md", tables.DOCS / "operations.md"], ids=name_of)
def test_every_metric_that_a_page_names_exists(page: Path) -> None:
    known = {metric.name for metric in TABLE}
    named = set(re.findall(r"\bimagestore_[a-z_]+[a-z]", TEXTS[page]))
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in named} <= known


@pytest.mark.quick
def test_every_error_code_is_documented_with_its_status() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\d+) \| .+\. \| .+\. \|$", TEXTS[tables.DOCS / "errors.md"], re.MULTILINE
    )
    documented = {code: int(status) for code, status in rows}
    assert len(rows) == len(documented)
    assert documented == {code: status for status, code in HTTP_CODES.items()} | ANSWERS


@pytest.mark.quick
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    homes = (tables.PACKAGE, tables.ROOT)
    for named in re.findall(r"`((?:\w+/)+\w*(?:\.py)?|\w+\.(?:py|cfg|md|toml))`", TEXTS[page]):
        if named.endswith((".py", ".cfg", ".md", ".toml")) or named.startswith("tests/"):
            assert any((home / named).exists() for home in homes), named


@pytest.mark.quick
def test_every_module_is_named_in_the_architecture() -> None:
    text = TEXTS[tables.DOCS / "architecture.md"]
    missing = [
        path
        for path in tables.PACKAGE.rglob("*.py")
        if path.parent != tables.PACKAGE or path.name != "__init__.py"
        if f"`{path.relative_to(tables.PACKAGE).as_posix()}`" not in text
    ]
    assert not missing, WRITE_ANEW


@pytest.mark.quick
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", unfenced(TEXTS[page])):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_file(), target
        assert not anchor or anchor in anchors(linked.read_text()), target


@pytest.mark.quick
def test_the_readme_is_short_and_leads_to_every_page() -> None:
    text = TEXTS[tables.ROOT / "README.md"]
    assert len(text.splitlines()) <= 150
    assert all(f"(docs/{page.name})" in text for page in tables.DOCS.glob("*.md"))


@pytest.mark.quick
def test_the_recipe_for_signed_urls_makes_one_that_holds() -> None:
    [recipe] = fenced(TEXTS[tables.DOCS / "delivery.md"], "python")
    namespace: dict[str, object] = {}
    exec(compile(recipe, "delivery.md", "exec"), namespace)
    sign_url = namespace["sign_url"]
    assert callable(sign_url)
    path = "/holiday/image/upload/a%20b/%C3%A9.jpg"
    parts = urlsplit(sign_url("http://img.example", path, "IS23", "secret", 60))
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert (parts.path, query["access_key"]) == (path, "IS23")
    expires = int(query["expires"])
    check_signature("secret", unquote(path), expires, query["signature"], now=time.time())


@pytest.mark.quick
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_in_python_and_json_can_be_read(page: Path) -> None:
    for example in fenced(TEXTS[page], "python"):
        ast.parse(example)
    for example in fenced(TEXTS[page], "json"):
        json.loads(example)


CURL = """
set -euo pipefail
curl() {
    case "$*" in  # where the example shows the status, it may be any; else it is a success
        *http_code*) command curl -sS "$@" ;;
        *) command curl -sS --fail-with-body "$@" ;;
    esac
}
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_examples_work_on_a_service_that_runs(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(pictures.jpeg(gps=True))
    (tmp_path / "other.jpg").write_bytes(pictures.jpeg(seed=1))
    commands = [CURL, *(each for page in PAGES for each in fenced(TEXTS[page], "sh"))]
    pages = (tables.ROOT / "README.md", tables.DOCS / "python.md")
    program = "\n".join(each for page in pages for each in fenced(TEXTS[page], "python"))
    with running_service(tmp_path) as running:
        for example, real in (
            ("http://127.0.0.1:8000", running.url),
            ("ACCESS_KEY", running.access_key),
            ("SECRET", running.secret),
        ):
            program = program.replace(example, real)
        given = {"URL": running.url, "AUTH": f"{running.access_key}:{running.secret}"}
        for command in (["bash", "-c", "\n".join(commands)], [sys.executable, "-c", program]):
            done = subprocess.run(
                command, cwd=tmp_path, env=os.environ | given, capture_output=True, text=True, timeout=120
            )
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
            statuses = re.findall(r"(?:^|\})(\d{3})$", done.stdout, re.MULTILINE)
            announced = re.findall(r"# (\d{3})\b", command[-1])
            assert statuses == announced
    assert (tmp_path / "copy.jpg").read_bytes() == (tmp_path / "photo.jpg").read_bytes()
