"""Who may import whom, read from the sources: an import counts wherever it stands, also in a function."""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
AWS = {"boto3", "botocore"}
MAY_IMPORT: dict[str, set[str]] = {
    "domain": set(),
    "ports": {"domain"},
    "usecases": {"domain", "ports"},
    "aws_errors": {"domain", *AWS},
    "repositories": {"domain", "ports", "aws_errors", *AWS},
    "gateways": {"domain", "ports", "aws_errors", *AWS},
    "edge": {"domain", "ports", "packager", "chalice.app", "msgspec", "jwt"},
    "packager": {"chalice.deploy.models", "chalice.package", "chalice.utils"},
    "settings": set(),
    "wiring": {"domain", "settings", "ports", "repositories", "gateways"},
    "app": {"domain", "edge", "usecases", "wiring", "settings", "chalice.app"},
}
"""By layer: other layers and libraries. Each layer may also import itself and the standard library."""
ONE_LIBRARY_A_MODULE = {"repositories", "gateways"}
"""Here any other library is allowed too, but in one module only."""
NEVER_ONE_OF_THEIRS = {"", "app", "tests", "operations", "benchmarks", "chalice", "jwt"}
"""The empty name is a relative import, which this test does not follow and nobody needs."""
NOT_FOR_THE_DOMAIN = {
    *("asyncio", "http", "io", "logging", "os", "pathlib", "random", "secrets", "shutil", "socket", "sqlite3", "ssl"),
    *("subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid"),
}
"""What gives the domain a clock, chance or the outside world."""


def layer_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "chalicelib" else parts[0]


def imports_in(source: str) -> Iterator[str]:
    """Every module that the source imports, by its full name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{name.name}" for name in node.names) if module == "chalicelib" else (module,)


def refused(layer: str, module: str) -> bool:
    """Whether a module of that layer may not import this one."""
    top, *rest = module.split(".")
    if top == "chalicelib":
        return not rest or rest[0] not in MAY_IMPORT[layer] | {layer}
    if layer == "domain" and top in NOT_FOR_THE_DOMAIN:
        return True
    if top in sys.stdlib_module_names:
        return False
    if module in MAY_IMPORT[layer] or (top in MAY_IMPORT[layer] and top not in MAY_IMPORT):
        return False
    return layer not in ONE_LIBRARY_A_MODULE or top in NEVER_ONE_OF_THEIRS


SOURCES = [ROOT / "app.py", *sorted(path for path in ROOT.glob("chalicelib/**/*.py") if path.parent != ROOT / "chalicelib")]
SOURCES += [path for path in sorted(ROOT.glob("chalicelib/*.py")) if path.name != "__init__.py"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    layer = layer_of(path)

    assert layer in MAY_IMPORT, f"the layer {layer} has no rule"
    assert [module for module in imports_in(path.read_text()) if refused(layer, module)] == []


@pytest.mark.parametrize("layer", sorted(ONE_LIBRARY_A_MODULE))
def test_every_library_is_imported_by_one_module_of_the_layer_only(layer: str) -> None:
    importers: dict[str, set[str]] = defaultdict(set)
    for path in (path for path in SOURCES if layer_of(path) == layer):
        for module in imports_in(path.read_text()):
            top = module.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in AWS | {"chalicelib"} and not top.startswith("mypy_boto3_"):
                importers[top].add(str(path.relative_to(ROOT)))

    assert {library: paths for library, paths in importers.items() if len(paths) > 1} == {}


def test_sqlite_is_imported_by_the_full_text_engine_only() -> None:
    importers = [str(path.relative_to(ROOT)) for path in SOURCES if "sqlite3" in set(imports_in(path.read_text()))]

    assert importers == ["chalicelib/repositories/full_text.py"]


def test_the_layers_are_all_here_and_nothing_else_is() -> None:
    assert {layer_of(path) for path in SOURCES} == set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("domain", "import boto3"),
        ("domain", "import time"),
        ("domain", "from os import environ"),
        ("domain", "from chalicelib import ports"),
        ("domain", "from chalicelib.usecases.invoices import issue_due"),
        ("domain", "import chalicelib"),
        ("ports", "from chalicelib.repositories.table import Table"),
        ("usecases", "import msgspec"),
        ("usecases", "def later():\n    from chalicelib.repositories import clients"),
        ("usecases", "from ..repositories import clients"),
        ("repositories", "from chalicelib.gateways import mailer"),
        ("gateways", "import chalice"),
        ("gateways", "from chalicelib.usecases import invoices"),
        ("gateways", "import app"),
        ("edge", "from chalice.test import Client"),
        ("edge", "import chalice"),
        ("edge", "import boto3"),
        ("edge", "from chalicelib.wiring import Wired"),
        ("settings", "import boto3"),
        ("wiring", "from chalicelib.usecases import invoices"),
        ("app", "from chalicelib.repositories.clients import Clients"),
        ("app", "import botocore.session"),
    ],
)
def test_what_a_layer_may_not_import_is_noticed(layer: str, source: str) -> None:
    assert any(refused(layer, module) for module in imports_in(source))


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("domain", "from chalicelib.domain import money\nfrom decimal import Decimal"),
        ("usecases", "from chalicelib import ports"),
        ("repositories", "import botocore.session\nfrom chalicelib.domain.errors import NotFound"),
        ("gateways", "def later():\n    from fpdf import FPDF"),
        ("edge", "from chalice.app import Chalice\nimport jwt\nimport msgspec.json"),
        ("app", "from chalicelib.wiring import Wired"),
    ],
)
def test_what_a_layer_may_import_is_let_through(layer: str, source: str) -> None:
    assert not any(refused(layer, module) for module in imports_in(source))
