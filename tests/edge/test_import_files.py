"""Imported files as rows: exports of other products as they are, cells and JSON in the API's own words, fingerprints."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from chalicelib.domain.clients import Client, ClientDetails
from chalicelib.domain.errors import Invalid, Unreadable
from chalicelib.domain.identifiers import make_id
from chalicelib.domain.imports import BadRow, Gap, ImportDetails, ProductRow, Row, new_import
from chalicelib.domain.products import StockLevel
from chalicelib.domain.statuses import ImportKind
from chalicelib.domain.work import DatedWork, TimedWork
from chalicelib.edge.bodies import NewClient, NewWork, PutProduct
from chalicelib.edge.import_files import check_plan, rows
from chalicelib.edge.import_hours import TIMES
from chalicelib.edge.import_rows import AS_WRITTEN, DAYS, INTEGERS, NUMBERS, TRUTHS, fields_of
from tests.builders import NOW, a_client, an_account

FILES = Path(__file__).parents[1] / "files"
REAL = Path(__file__).parents[3] / "shared" / "data"
CLIENT_COLUMNS = {"Nom": "name", "Taux": "rate", "Devise": "currency"}
TOGGL = {
    "Client": "client",
    "Project": "description",
    "Description": "description",
    "Billable": "billable",
    "Start date": "start_date",
    "Start time": "start_time",
    "End date": "end_date",
    "End time": "end_time",
    "Duration": "duration",
}
CLOCKIFY = {
    "Client": "client",
    "Project": "description",
    "Description": "description",
    "Task": "description",
    "Billable": "billable",
    "Start Date": "start_date",
    "Start Time": "start_time",
    "End Date": "end_date",
    "End Time": "end_time",
    "Duration (h)": "duration",
}
HARVEST = {"Date": "date", "Client": "client", "Notes": "description", "Hours": "hours", "Billable?": "billable"}


def read(
    kind: str,
    content: str | bytes,
    columns: Mapping[str, str] | None = None,
    *,
    content_type: str = "text/csv",
    clients: Iterable[Client] = (a_client("cli_1"),),
    **formats: Any,
) -> list[Row | BadRow]:
    details = ImportDetails(kind=ImportKind(kind), filename="file", content_type=content_type, columns=columns or {}, **formats)
    check_plan(details)
    imported = new_import(details, account_id="acc_1", user_id="usr_1", import_id="imp_1", now=NOW)
    data = content.encode() if isinstance(content, str) else content
    read = rows(imported, iter([data]), an_account(time_zone="Europe/Vienna"), lambda: clients)
    return [row for row in read if not isinstance(row, Gap)]


def refused(read_rows: Iterable[Row | BadRow]) -> list[tuple[int, str, str]]:
    return [(row.line, row.pointer, row.reason) for row in read_rows if isinstance(row, BadRow)]


def accepted(read_rows: Iterable[Row | BadRow]) -> list[Any]:
    return [row.what for row in read_rows if isinstance(row, Row)]


def at(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[misc,arg-type]


def why_refused(columns: Mapping[str, str], **formats: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as refusal:
        check_plan(ImportDetails(kind=ImportKind.WORK, filename="x", content_type="text/csv", columns=columns, **formats))
    return dict(refusal.value.errors)


def test_a_toggl_export_goes_in_as_it_is() -> None:
    found = read("work", (FILES / "toggl.csv").read_bytes(), TOGGL)

    first = {"started_at": at(2026, 10, 24, 21, 30), "ended_at": at(2026, 10, 25, 1, 15)}
    second = {"started_at": at(2026, 10, 26, 8), "ended_at": at(2026, 10, 26, 9, 30, 15)}
    assert accepted(found) == [
        TimedWork(client_id="cli_1", description="Engine: Read, then draw", billable=True, **first),
        TimedWork(client_id="cli_1", description='Engine: Translate\nNote "G"', billable=False, **second),
    ]
    assert refused(found) == [
        (5, "/Client", "no active client is called Nobody"),
        (6, "/Start time", "does not exist on that day: the clocks in Europe/Vienna skipped it"),
    ]


def test_a_clockify_export_goes_in_as_it_is_and_its_total_is_refused() -> None:
    found = read("work", (FILES / "clockify.csv").read_bytes(), CLOCKIFY, date_format="MM/DD/YYYY")

    first = {"started_at": at(2026, 3, 16, 20, 5), "ended_at": at(2026, 3, 16, 23, 45)}
    second = {"started_at": at(2026, 3, 17, 11, 15), "ended_at": at(2026, 3, 17, 12)}
    assert accepted(found) == [
        TimedWork(client_id="cli_1", description="Engine: Draw", billable=True, **first),
        TimedWork(client_id="cli_1", description="Notes", billable=False, **second),
    ]
    assert refused(found) == [(4, "/Client", "must not be empty")]


def test_a_harvest_export_goes_in_as_it_is() -> None:
    content = (FILES / "harvest.csv").read_bytes()
    found = read("work", content, HARVEST, date_format="DD.MM.YYYY", decimal_separator=",")

    assert [(work.date, work.minutes, work.billable, work.description) for work in accepted(found)] == [
        (date(2026, 1, 26), 450, True, "Zeichnen"),
        (date(2026, 1, 27), 20, False, "Rechnen; prüfen"),
        (date(2026, 1, 28), 105, True, ""),
    ]
    assert refused(found) == []


@pytest.mark.skipif(not (REAL / "retail").exists(), reason="the real files lie beside the project")
@pytest.mark.parametrize(
    ("day", "count", "nameless", "different"), [("2010-12-01", 3108, 10, 1888), ("2010-12-02", 2109, 2, 1023)]
)
def test_a_shops_day_goes_in_but_for_what_has_no_name(day: str, count: int, nameless: int, different: int) -> None:
    columns = {"StockCode": "id", "Description": "name", "UnitPrice": "price"}
    found = read("products", (REAL / "retail" / f"{day}.csv").read_bytes(), columns)

    reasons = Counter((row.pointer, row.reason) for row in found if isinstance(row, BadRow))
    assert len(found) == count
    assert reasons == {("/Description", "must not be empty"): nameless}
    assert len({row.fingerprint for row in found if isinstance(row, Row)}) == different


@pytest.mark.skipif(not (REAL / "work").exists(), reason="the real files lie beside the project")
def test_a_real_month_goes_in() -> None:
    lines = (REAL / "work" / "2024-10.csv").read_text().splitlines()
    content = "\n".join([f"{lines[0]},client", *(f"{line},Babbage & Co" for line in lines[1:])])

    work = accepted(read("work", content))
    assert len(work) == 18
    assert sum((one.ended_at - one.started_at).total_seconds() for one in work) == 17 * 3600 + 60 + 46


def test_a_cell_is_read_as_its_field_asks() -> None:
    content = "name,email,rate,Tax Rate,CURRENCY,reverse_charge,vat_id,invoice day,rate_valid_from,other\n"
    content += 'Ada , ada@example.com ,"1,234.50",20.0,EUR,Yes,ATU12345678,31,2026-02-01,?\n"=1+1",,-5,,JPY,,,,,\n'

    assert accepted(read("clients", content)) == [
        ClientDetails(
            name="Ada ",
            email="ada@example.com",
            rate=Decimal("1234.50"),
            tax_rate=Decimal("20.0"),
            currency="EUR",
            reverse_charge=True,
            vat_id="ATU12345678",
            invoice_day=31,
            rate_valid_from=date(2026, 2, 1),
        ),
        ClientDetails(name="=1+1", rate=Decimal(-5), currency="JPY"),
    ]


def test_what_is_wrong_is_told_in_the_apis_words_at_the_files_heading() -> None:
    content = (
        'Nom;Taux;Devise;Tag\nAda;"1,234";EUR;\n;5;EUR;\nAda;5;EUR;32\nAda;x;EUR;\n' + "A" * 201 + ";5;EUR;\nAda;5;EUR;1,5\n"
    )

    assert refused(read("clients", content, CLIENT_COLUMNS | {"Tag": "invoice_day"})) == [
        (2, "/Taux", "may mean 1.234 or 1234; say with decimal_separator which"),
        (3, "/Nom", "must not be empty"),
        (4, "/Tag", "Expected `int` <= 31"),
        (5, "/Taux", "is not a number such as 12.50"),
        (6, "/Nom", "Expected `str` of length <= 200"),
        (7, "/Tag", "is not a whole number, or too large a one"),
    ]


def test_the_use_cases_faults_find_their_place_in_the_file() -> None:
    (row,) = read("clients", "Nom,Taux,Devise\nAda,-5,EUR\n", CLIENT_COLUMNS)
    (worked,) = read(
        "work",
        "client,Von/Bis,start_time,hours\nbabbage  & CO,2026-01-02,9:00,1\n",
        {
            "client": "client",
            "Von/Bis": "start_date",
            "start_time": "start_time",
            "hours": "hours",
        },
    )

    assert isinstance(row, Row)
    assert row.pointers["/rate"] == "/Taux"
    assert isinstance(worked, Row)
    assert worked.pointers["/client_id"] == "/client"
    assert worked.pointers["/started_at"] == "/start_time"
    assert worked.pointers["/ended_at"] == "/hours"
    assert worked.pointers["/start_date"] == "/Von~1Bis"


def test_several_columns_make_a_description_in_the_order_of_the_mapping() -> None:
    columns = {"c": "description", "a": "description", "b": "description", "n": "name", "p": "price"}

    (row,) = accepted(read("products", "a,b,c,n,p\n x ,,y,name,1\n", columns))
    assert row.details.description == "y: x"


def test_a_product_keeps_its_own_id_and_may_leave_its_stock_alone() -> None:
    first, second, third = accepted(read("products", "id,name,price,stock\n 85123A ,A,2.55,6.0\n,B,1,\nx,C,1,0\n"))

    assert first == ProductRow("85123A", first.details, StockLevel(6), frozenset({"description", "image_id"}))
    assert (second.product_id, second.level, third.level) == (None, None, (0,))
    assert first.details.price == Decimal("2.55")


@pytest.mark.parametrize(
    ("heading", "row", "what"),
    [
        ("started_at,ended_at", "2026-01-02T09:00:00+01:00,2026-01-02T09:00:00Z", (at(2026, 1, 2, 8), at(2026, 1, 2, 9))),
        ("started_at,ended_at", "2026-01-02 09:00,2026-01-02T10:00:30", (at(2026, 1, 2, 8), at(2026, 1, 2, 9, 0, 30))),
        ("started_at,duration", "2026-01-02 09:00,1:30", (at(2026, 1, 2, 8), at(2026, 1, 2, 9, 30))),
        ("start_date,start_time,end_time", "2026-01-02,9:00 PM,11:00 PM", (at(2026, 1, 2, 20), at(2026, 1, 2, 22))),
        ("date,start_time,hours", "2026-01-02,9:00,1.5", (at(2026, 1, 2, 8), at(2026, 1, 2, 9, 30))),
        ("start_date,start_time,end_time", "2026-10-25,02:30,02:15", (at(2026, 10, 25, 0, 30), at(2026, 10, 25, 1, 15))),
        (
            "start_date,start_time,end_time,duration",
            "2026-10-25,01:30,02:30,2:00",
            (at(2026, 10, 24, 23, 30), at(2026, 10, 25, 1, 30)),
        ),
        ("start_date,hours", "2026-01-02,1.5", (date(2026, 1, 2), 90)),
        ("date,minutes", "2026-01-02,45", (date(2026, 1, 2), 45)),
        ("date,hours,minutes", "2026-01-02,1,30", (date(2026, 1, 2), 90)),
        ("date,hours,minutes", "2026-01-02,0,0045", (date(2026, 1, 2), 45)),
        ("date,hours,minutes", "2026-01-02,1.5,90", (date(2026, 1, 2), 90)),
        ("date,hours,minutes", "2026-01-02,,30", (date(2026, 1, 2), 30)),
        ("date,start_date,duration,hours", "2026-01-02,2026-01-02,0:45,0.75", (date(2026, 1, 2), 45)),
        ("started_at,hours,minutes", "2026-01-02 09:00,1,30", (at(2026, 1, 2, 8), at(2026, 1, 2, 9, 30))),
        ("started_at,ended_at,minutes", "2026-01-02 09:00,2026-01-02 10:00,60", (at(2026, 1, 2, 8), at(2026, 1, 2, 9))),
        (
            "started_at,ended_at,date",
            "2026-01-01T23:30:00Z,2026-01-02T01:00:00Z,2026-01-02",
            (at(2026, 1, 1, 23, 30), at(2026, 1, 2, 1)),
        ),
        ("date,start_time,end_time,duration", "2026-01-02,9:00,10:23,1:23:45", (at(2026, 1, 2, 8), at(2026, 1, 2, 9, 23, 45))),
        ("date,start_time,end_time,duration", "2026-01-02,9:00,10:23,1:22:15", (at(2026, 1, 2, 8), at(2026, 1, 2, 9, 22, 15))),
        (
            "date,start_time,end_time,duration",
            "2026-01-02,11:00,11:00,0:00:45",
            (at(2026, 1, 2, 10), at(2026, 1, 2, 10, 0, 45)),
        ),
        (
            "date,start_time,end_time,duration",
            "2026-10-25,2:30,2:30,0:00:45",
            (at(2026, 10, 25, 0, 30), at(2026, 10, 25, 0, 30, 45)),
        ),
        (
            "date,start_time,end_time,duration",
            "2026-01-02,9:00:10,10:23:56,1:23:45",
            (at(2026, 1, 2, 8, 0, 10), at(2026, 1, 2, 9, 23, 56)),
        ),
        ("date,start_time,end_time,hours", "2026-01-02,9:00,12:40,3.67", (at(2026, 1, 2, 8), at(2026, 1, 2, 11, 40))),
        ("date,start_time,end_time,duration", "2026-01-02,9:00,10:23,1:22", (at(2026, 1, 2, 8), at(2026, 1, 2, 9, 23))),
        ("date,start_time,end_time,duration", "2026-01-02,23:00,01:00,2:00", (at(2026, 1, 2, 22), at(2026, 1, 3, 0))),
        ("date,start_time,end_time,hours", "2026-01-02,11:00 PM,1:00 AM,2", (at(2026, 1, 2, 22), at(2026, 1, 3, 0))),
        ("date,start_time,end_time,minutes", "2026-03-28,23:00,03:00,180", (at(2026, 3, 28, 22), at(2026, 3, 29, 1))),
        ("date,start_time,end_time,minutes", "2026-03-28,01:30,02:30,60", (at(2026, 3, 28, 0, 30), at(2026, 3, 28, 1, 30))),
    ],
)
def test_when_work_was_done_is_read_however_it_is_told(heading: str, row: str, what: tuple[object, object]) -> None:
    (work,) = accepted(read("work", f"client,{heading}\nBabbage & Co,{row}\n"))

    assert what == ((work.date, work.minutes) if isinstance(work, DatedWork) else (work.started_at, work.ended_at))


@pytest.mark.parametrize(
    ("heading", "row", "pointer", "words"),
    [
        ("start_date,start_time", "2026-01-02,9:00", "", "must have either"),
        ("start_date,end_time", "2026-01-02,9:00", "/end_time", "needs a start"),
        ("start_date,hours", "2026-01-02,0", "/hours", "Expected `int` >= 1"),
        ("start_date,hours", "2026-01-02,26", "/hours", "Expected `int` <= 1500"),
        ("start_date,hours", ",1", "", "must have either"),
        ("start_date,start_time,end_time,duration", "2026-01-02,9:00,10:00,0:30", "/duration", "is not the time between"),
        ("start_date,start_time,hours", ",9:00,1", "/start_time", "needs start_date or date"),
        ("start_date,hours", "02.01.2026,1", "/start_date", "is not a day written as YYYY-MM-DD"),
        ("started_at,hours", "yesterday,1", "/started_at", "is not a day written as"),
        ("date,hours,minutes", "2026-01-02,1,90", "/minutes", "says otherwise than hours"),
        ("date,hours,minutes", "2026-01-02,1.5,30", "/minutes", "says otherwise than hours"),
        ("date,hours,minutes", "2026-01-02,1,-30", "/minutes", "says otherwise than hours"),
        ("date,duration,hours", "2026-01-02,0:30,2", "/hours", "says otherwise than duration"),
        ("date,duration,minutes", "2026-01-02,0:30,20", "/minutes", "says otherwise than duration"),
        ("date,start_date,hours", "2026-01-02,2026-01-03,2", "/date", "says otherwise than start_date"),
        ("started_at,ended_at,minutes", "2026-01-02 09:00,2026-01-02 10:00,30", "/minutes", "is not the time between"),
        ("started_at,ended_at,date", "2026-01-02 09:00,2026-01-02 10:00,2026-01-03", "/date", "is not the day of started_at"),
        ("started_at,start_time,hours", "2026-01-02 09:00,10:00,1", "/start_time", "says the same as started_at"),
        ("started_at,ended_at,end_time", "2026-01-02 09:00,2026-01-02 10:00,11:00", "/end_time", "says the same as ended_at"),
        ("date,start_time,end_time,duration", "2026-01-02,23:00,01:00,3:00", "/duration", "is not the time between"),
        ("date,start_time,end_time,duration", "2026-03-28,23:00,02:30,3:30", "/duration", "is not the time between"),
        ("date,start_time,end_time,duration", "2026-03-29,01:00,02:30,1:30", "/duration", "is not the time between"),
        ("started_at,minutes", f"2026-01-02 09:00,{'9' * 20}", "/minutes", "is no duration"),
        ("started_at,minutes", "9999-12-31 09:00,9000", "/minutes", "ends on no day"),
    ],
)
def test_when_work_was_done_is_not_guessed(heading: str, row: str, pointer: str, words: str) -> None:
    ((_, place, reason),) = refused(read("work", f"client,{heading}\nBabbage & Co,{row}\n"))

    assert place == pointer
    assert reason.startswith(words)


def test_a_client_is_found_by_its_name_in_any_case_unless_archived_or_one_of_several() -> None:
    clients = [
        a_client("cli_1"),
        a_client("cli_2", name="Twin"),
        a_client("cli_3", name="TWIN "),
        a_client("cli_4", name="Old", archived_at=NOW),
    ]
    content = "client,date,hours\nBABBAGE  & co,2026-01-02,1\ntwin,2026-01-02,1\nOld,2026-01-02,1\n"
    found = read("work", content, clients=clients)

    assert [work.client_id for work in accepted(found)] == ["cli_1"]
    assert refused(found) == [
        (3, "/client", "2 active clients are called twin"),
        (4, "/client", "no active client is called Old"),
    ]


def test_json_is_read_by_the_apis_own_decoder() -> None:
    head, tail = b'{"name":"Ada","rate":', b',"currency":"EUR"}\n'
    rates = [b"12.50", b'"12.50"', b"1e2", b"NaN", b"-Infinity", b'"1,5"', b'"\\ud800"', b'1,"rate":2', b"[" * 100_000, b"{"]
    content = b"".join(head + rate + tail for rate in rates) + b'{"name":"\\ud800","rate":1,"currency":"EUR"}\n[1]\nnull\n'
    found = read("clients", content, content_type="application/x-ndjson")

    assert [str(client.rate) for client in accepted(found)] == ["12.50", "12.50", "1E+2"]
    assert refused(found) == [
        (4, "", "the row is not JSON in UTF-8"),
        (5, "", "the row is not JSON in UTF-8"),
        (6, "/rate", "Invalid decimal string"),
        (7, "", "the row is not JSON in UTF-8"),
        (8, "", "the row has an object with the same key twice"),
        (9, "", "the row is not JSON in UTF-8"),
        (10, "", "the row is not JSON in UTF-8"),
        (11, "", "the row is not JSON in UTF-8"),
        (12, "", "must be an object"),
        (13, "", "must be an object"),
    ]


def test_a_number_of_400_digits_is_left_to_the_rules() -> None:
    (row,) = accepted(
        read("clients", f'[{{"name":"Ada","rate":{"9" * 400},"currency":"EUR"}}]', content_type="application/json")
    )

    with pytest.raises(Invalid):
        row.checked()


def test_json_members_can_be_mapped_and_others_are_ignored() -> None:
    content = (
        '[{"Nom":"Ada","Taux":12.5,"Devise":"EUR","x":{"y":[1]}},{"Nom":1,"Taux":1,"Devise":"EUR"},{"Taux":1,"Devise":"EUR"}]'
    )
    found = read("clients", content, CLIENT_COLUMNS, content_type="application/json")

    assert accepted(found) == [ClientDetails(name="Ada", rate=Decimal("12.5"), currency="EUR")]
    assert refused(found) == [
        (1, "/Nom", "Expected `str`, got `int`"),
        (1, "/Nom", "Object missing required field `name`"),
    ]


def test_json_work_may_have_a_trackers_fields() -> None:
    content = (
        '[{"client":"Babbage & Co","date":"2026-01-02","hours":1.5},{"client_id":"cli_9","date":"2026-01-02","minutes":7}]'
    )

    assert accepted(read("work", content, content_type="application/json")) == [
        DatedWork(client_id="cli_1", date=date(2026, 1, 2), minutes=90),
        DatedWork(client_id="cli_9", date=date(2026, 1, 2), minutes=7),
    ]


@pytest.mark.parametrize(
    ("members", "pointer", "words"),
    [
        ('"hours":1.5,"minutes":30', "/minutes", "says otherwise than hours"),
        ('"duration":"0:30","hours":2', "/hours", "says otherwise than duration"),
        ('"hours":true,"minutes":30', "/hours", "must be a text or a number"),
        ('"duration":[1],"minutes":30', "/duration", "must be a text or a number"),
    ],
)
def test_json_work_has_no_hours_that_count_for_nothing(members: str, pointer: str, words: str) -> None:
    content = '[{"client_id":"cli_1","date":"2026-01-02",' + members + "}]"
    ((_, place, reason),) = refused(read("work", content, content_type="application/json"))

    assert place == pointer
    assert reason.startswith(words)


def test_json_hours_and_minutes_add_up() -> None:
    content = '[{"client_id":"cli_1","date":"2026-01-02","hours":1,"minutes":30,"duration":null}]'

    assert [work.minutes for work in accepted(read("work", content, content_type="application/json"))] == [90]


def test_a_json_text_is_read_by_the_imports_formats_where_it_has_some() -> None:
    content = '[{"name":"Ada","rate":"1.234,5","currency":"EUR","rate_valid_from":"1.2.2026"}]'
    formats: dict[str, Any] = {"date_format": "DD.MM.YYYY", "decimal_separator": ","}

    (client,) = accepted(read("clients", content, content_type="application/json", **formats))
    assert (client.rate, client.rate_valid_from) == (Decimal("1234.5"), date(2026, 2, 1))


@pytest.mark.parametrize(
    ("content", "columns", "reason"),
    [
        ("Nom,Taux\nAda,5\n", CLIENT_COLUMNS, "the file has no column Devise, which columns names"),
        ("name,currency\nAda,EUR\n", {}, "the file has no column for rate; columns says which heading is which field"),
        ("name,NAME,rate,currency\nAda,A,5,EUR\n", {}, "two columns are the field name: name and NAME"),
        ("PK\x03\x04", {}, "the file is a zip archive or an Excel workbook; a workbook's sheet can be saved as CSV"),
    ],
)
def test_a_file_without_what_it_needs_is_refused_as_a_whole(content: str, columns: Mapping[str, str], reason: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        read("clients", content, columns)

    assert refusal.value.detail == reason


def prints(content: str, kind: str = "clients", **how: Any) -> list[str]:
    return [row.fingerprint for row in read(kind, content, **how) if isinstance(row, Row)]


def test_equal_rows_have_one_fingerprint_however_they_are_written() -> None:
    table = "name,rate,currency,description,reverse_charge\nAda,12.5,EUR,,no\nAda,12.50,EUR,,\nAda,012.500000,EUR,,0\n"
    array = (
        '[{"name":"Ada","rate":1.25e1,"currency":"EUR"},{"currency":"EUR","reverse_charge":false,"rate":"12.5","name":"Ada"}]'
    )

    assert len({*prints(table), *prints(array, content_type="application/json")}) == 1


def test_what_a_row_says_nothing_of_stays_as_it_is_of_a_product() -> None:
    image_id = make_id("img", NOW, bytes(10))
    table = read("products", f"id,name,price,description,image_id\na,A,1,Glass,\na,A,1, ,{image_id}\n")
    objects = '[{"id":"a","name":"A","price":1,"description":"","image_id":null},{"id":"a","name":"A","price":1}]'
    records = read("products", objects, content_type="application/json")

    assert [set(row.kept) for row in accepted(table)] == [{"image_id"}, {"description"}]
    assert [set(row.kept) for row in accepted(records)] == [set(), {"description", "image_id"}]
    assert len({row.fingerprint for row in (*table, *records) if isinstance(row, Row)}) == 4


def test_different_rows_have_different_fingerprints() -> None:
    clients = prints(
        "name,rate,currency\nAda,12.5,EUR\nAda,125,EUR\nAda,1.25,EUR\nAda,-12.5,EUR\n"
        "Ada,12.5,USD\nada,12.5,EUR\nAda ,12.5,EUR\n"
    )
    products = prints("id,name,price,stock\na,A,1,\na,A,1,0\na,A,1,1\nb,A,1,\n,A,1,\n", "products")
    work = prints(
        "client,started_at,ended_at,date,minutes\n"
        + "".join(
            f"Babbage & Co,{when}\n"
            for when in ("2026-01-02 09:00,2026-01-02 10:00,,", "2026-01-02 09:00,2026-01-02 10:01,,", ",,2026-01-02,60")
        ),
        "work",
    )

    together = clients + products + work
    assert len(set(together)) == len(together) == 15


def test_a_row_says_where_reading_goes_on() -> None:
    content = "name,rate,currency\nAda,1,EUR\nBad\nGrace,2,EUR\n"
    details = ImportDetails(kind=ImportKind.CLIENTS, filename="x", content_type="text/csv")
    imported = new_import(details, account_id="acc_1", user_id="usr_1", import_id="imp_1", now=NOW)
    account = an_account()
    for row in read("clients", content)[:2]:
        offset = int(row.after["offset"])  # type: ignore[call-overload]
        going_on = replace(imported, cursor=row.after)
        rest = list(rows(going_on, iter([content[offset:].encode()]), account, list))
        assert rest == [later for later in read("clients", content) if later.line > row.line]


def test_a_plan_that_its_kind_cannot_follow_is_refused() -> None:
    columns = {
        "a": "hours",
        "b": "duration",
        "c": "rate",
        "d": "date",
        "e": "date",
        " d ": "billable",
        " ": "client",
        "x/y": "nothing",
    }
    why = why_refused(columns, date_format="DD.MM", decimal_separator=";")
    assert not why_refused({"a": "minutes", "b": "hours", " ": "client"}).keys() - {"/columns/ "}, "they add up"

    assert set(why) == {
        "/columns/b",
        "/columns/c",
        "/columns/e",
        "/columns/ d ",
        "/columns/ ",
        "/columns/x~1y",
        "/date_format",
        "/decimal_separator",
    }
    assert why["/columns/b"] == "says the same as hours, the field of a"
    assert why["/columns/c"].startswith("is no field of work; these are: client_id, description, ")


@pytest.mark.parametrize("columns", [TOGGL, CLOCKIFY, HARVEST, {}])
def test_a_plan_that_its_kind_can_follow_is_taken(columns: Mapping[str, str]) -> None:
    check_plan(
        ImportDetails(kind=ImportKind.WORK, filename="x", content_type="text/csv", columns=columns, date_format="YYYYMMDD")
    )


def test_every_member_of_a_body_is_read_as_what_it_is() -> None:
    for body in (NewClient, PutProduct, NewWork):
        for field, hint in get_type_hints(body).items():
            kinds = str(hint)
            if field in {"when_empty", "when_unreadable"}:
                continue
            assert (field in NUMBERS) == ("Decimal" in kinds), field
            assert (field in INTEGERS or field == "minutes") == ("int" in kinds), field
            assert (field in TRUTHS) == ("bool" in kinds), field
            assert (field in DAYS or field in TIMES) == ("date" in kinds or field == "minutes"), field
            assert field not in AS_WRITTEN or "str" in kinds


SIGNS = some.text(some.sampled_from('aä1290,.:;-+/ "\n\r{}[]\\eTZ'), max_size=80)


@settings(max_examples=150, deadline=None)
@given(text=SIGNS, kind=some.sampled_from(["clients", "products", "work"]), date_format=some.sampled_from([None, "D/M"]))
def test_no_row_raises_anything(text: str, kind: str, date_format: str | None) -> None:
    fields = fields_of(kind)
    table = ",".join(fields) + "\n" + ",".join([text.replace(",", "")] * len(fields)) + "\n" + text
    members = ",".join(f'"{field}":{text}' for field in fields)
    lines = "{}\n{" + members + "}\n" + json.dumps(dict.fromkeys(fields, text)) + "\n"
    formats: dict[str, Any] = {"date_format": date_format and "DD/MM/YYYY"}

    with suppress(Unreadable):
        read(kind, table, **formats)
    assert read(kind, lines, content_type="application/x-ndjson", **formats)
