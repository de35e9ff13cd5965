"""What docs/imports.md says of other programs' files is what the API takes, and what their files have."""

import re
from pathlib import Path

import pytest

from chalicelib.domain.imports import Row, new_import
from chalicelib.edge.bodies import NewImport
from chalicelib.edge.import_files import rows
from chalicelib.edge.import_rows import EXTRA_FIELDS
from chalicelib.edge.requests import read_json
from operations.demo import TOGGL
from tests.builders import NOW, a_client, an_account

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "imports.md").read_text()
PLANS = {
    body.filename: body
    for body in (read_json(text.encode(), NewImport) for text in re.findall("```json\n(.*?)```", PAGE, re.DOTALL))
}
FILES = {name: ROOT / "tests" / "files" / name for name in ("toggl.csv", "clockify.csv", "harvest.csv")}
FILES["products.csv"] = ROOT / "examples" / "products-2010-12.csv"


def test_every_program_has_a_file_to_try_it_with() -> None:
    assert PLANS.keys() == FILES.keys()
    assert PLANS["toggl.csv"].columns == TOGGL


@pytest.mark.parametrize("name", FILES)
def test_its_files_are_read_as_the_page_says(name: str) -> None:
    imported = new_import(PLANS[name].details(), account_id="acc_1", user_id="usr_1", import_id="imp_1", now=NOW)
    client = a_client("cli_1", name="Babbage & Co")

    read = list(rows(imported, iter([FILES[name].read_bytes()]), an_account(time_zone="Europe/Vienna"), lambda: [client]))

    assert sum(isinstance(row, Row) for row in read) >= 2


@pytest.mark.parametrize("field", [*NewImport.__struct_fields__, *EXTRA_FIELDS["work"]])
def test_the_page_knows_every_word(field: str) -> None:
    assert f"`{field}`" in PAGE
