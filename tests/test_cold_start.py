"""What `import app` loads, and must not: every function of the deployment pays for it at every cold start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MUST_NOT_LOAD = [
    "PIL",
    "argon2",
    "asyncio",
    "boto3",
    "botocore",
    "cffi",
    "cryptography",
    "csv",
    "ctypes",
    "defusedxml",
    "email",
    "fontTools",
    "fpdf",
    "http",
    "jmespath",
    "jwt",
    "multiprocessing",
    "pytest",
    "reportlab",
    "requests",
    "s3transfer",
    "socket",
    "sqlite3",
    "ssl",
    "stripe",
    "subprocess",
    "unittest",
    "urllib.request",
    "urllib3",
    "xml",
    "zoneinfo",
]
BUDGET = 130
"""Modules that are new after `import app`, the standard library's among them: 117 when this was written."""
OURS_LOADED_LATER = [
    "chalicelib.domain.accounts",
    "chalicelib.domain.billing",
    "chalicelib.domain.cells",
    "chalicelib.domain.deliveries",
    "chalicelib.domain.events",
    "chalicelib.domain.files",
    "chalicelib.domain.imports",
    "chalicelib.domain.invoices",
    "chalicelib.domain.membership",
    "chalicelib.domain.orders",
    "chalicelib.domain.records.",
    "chalicelib.domain.reports",
    "chalicelib.domain.vat",
    "chalicelib.domain.work",
    "chalicelib.edge.announcements",
    "chalicelib.edge.authorizer",
    "chalicelib.edge.docs_page",
    "chalicelib.edge.idempotency",
    "chalicelib.edge.import_files",
    "chalicelib.edge.import_hours",
    "chalicelib.edge.import_rows",
    "chalicelib.edge.messages",
    "chalicelib.edge.openapi",
    "chalicelib.edge.schedules",
    "chalicelib.edge.steps",
    "chalicelib.edge.stream_records",
    "chalicelib.edge.uploads",
    "chalicelib.gateways.",
    "chalicelib.packager",
    "chalicelib.repositories.",
    "chalicelib.usecases.",
]
"""Each dataclass takes about a millisecond to make: those of invoices alone would be a tenth of a cold start."""


@pytest.fixture(scope="module")
def loaded() -> list[str]:
    """The modules that a fresh interpreter has after `import app` and had not before, in the environment of a function."""
    program = "import sys; before = set(sys.modules); import app; print(*sorted(set(sys.modules) - before), sep='\\n')"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DAYBOOK_", "AWS_", "PYTHON", "COV_"))
    }
    run = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {program}"],
        env=environment | {"DAYBOOK_STAGE": "dev"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def test_the_application_is_there(loaded: list[str]) -> None:
    assert {"app", "chalice.app", "msgspec", "chalicelib.wiring", "chalicelib.edge.views"} <= set(loaded)


@pytest.mark.parametrize("heavy", MUST_NOT_LOAD)
def test_import_app_does_not_load_what_only_some_triggers_need(loaded: list[str], heavy: str) -> None:
    assert [module for module in loaded if module == heavy or module.startswith(f"{heavy}.")] == []


def test_import_app_loads_nothing_of_ours_that_only_some_triggers_need(loaded: list[str]) -> None:
    assert [module for module in loaded if module.startswith(tuple(OURS_LOADED_LATER))] == []


def test_import_app_stays_within_its_budget_of_modules(loaded: list[str]) -> None:
    assert len(loaded) <= BUDGET


@pytest.mark.parametrize(
    ("processor", "wired"), [("sandbox", "SandboxPayments False"), ("stripe", "StripePayments True")], ids=["sandbox", "stripe"]
)
def test_stripes_library_is_loaded_only_where_stripe_is_who_is_paid(processor: str, wired: str) -> None:
    program = f"""
import sys
from chalicelib.settings import read_settings
from chalicelib.wiring import Wired
shop = Wired(read_settings({{"DAYBOOK_STAGE": "dev", "DAYBOOK_PAYMENTS": {processor!r}}}))
shop.orders, shop.payment_rules, shop.carrier, shop.customers
assert "stripe" not in sys.modules
print(type(shop.payments).__name__, "stripe" in sys.modules)
"""
    run = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{program}"],
        env={"AWS_DEFAULT_REGION": "eu-central-1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == wired
