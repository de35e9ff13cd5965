"""Files of other programs and their rows, in the deployed application, from outside."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from operations.deploy import Account
from operations.redrive import redrive
from tests.e2e.conftest import TIMEOUT_SECONDS, Deployed, User, upload
from tests.edge.test_import_files import CLOCKIFY, HARVEST, TOGGL

pytestmark = [pytest.mark.deployed, pytest.mark.xdist_group("deployed")]

ROOT = Path(__file__).parents[2]
RETAIL = ROOT.parent / "shared" / "data" / "retail"
SHOP = {"StockCode": "id", "Description": "name", "UnitPrice": "price"}
NAMELESS = "must not be empty"
SHORT_LIST = '''StockCode,Description,UnitPrice,Colour
L1,"""Müller"" lamp, red",2.50,red
L2,,3.00,
L3,=SUM(1;2),0.6645600532184904,
L1,"""Müller"" lamp, red",2.50,blue
L4,Lantern,"1,234",
'''
WORKED_OFF_SECONDS = 180
COUNTS = ("record_count", "added_count", "unchanged_count", "rejected_count")


def announce(user: User, kind: str, **said: Any) -> Any:
    plan = {"kind": kind, "filename": "Liste für März.csv", "content_type": "text/csv", **said}
    announced = user.ask("POST", "/v1/imports", plan, status=201)
    assert (announced["status"], announced["size"], announced["record_count"]) == ("waiting", None, 0)
    return announced


def begin(announced: Any, content: bytes | str) -> str:
    """Uploads the file; the import's id."""
    answer = upload(announced["upload"], content.encode() if isinstance(content, str) else content)
    assert answer.status_code == 204, answer.text
    import_id: str = announced["id"]
    return import_id


def ended(
    deployed: Deployed,
    user: User,
    import_id: str,
    watch: Callable[[Any], None] = lambda _: None,
    ends: Sequence[str] = ("completed", "failed"),
) -> Any:
    def look() -> Any:
        imported = user.ask("GET", f"/v1/imports/{import_id}")
        watch(imported)
        return imported if imported["status"] in ends else None

    return deployed.wait_for(look, WORKED_OFF_SECONDS)


def put_in(deployed: Deployed, user: User, kind: str, content: bytes | str, **said: Any) -> Any:
    """The import, completed."""
    imported = ended(deployed, user, begin(announce(user, kind, **said), content))
    assert (imported["status"], imported["reason"]) == ("completed", None), deployed.said()[-3000:]
    assert imported["bytes_read"] == imported["size"]
    return imported


def counts(imported: Any) -> tuple[int, ...]:
    """Of records, and of those that were added, unchanged and rejected."""
    return tuple(imported[name] for name in COUNTS)


def report(imported: Any) -> list[dict[str, str]]:
    answer = requests.get(imported["report"], timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def refused_lines(imported: Any) -> list[int]:
    return [rejection["line"] for rejection in imported["rejections"]]


def all_of(user: User, what: str) -> list[Any]:
    found, query = [], "?limit=100"
    while True:
        page = user.ask("GET", f"/v1/{what}{query}")
        found += page[what]
        if "next" not in page:
            return found
        query = f"?limit=100&next={page['next']}"


@pytest.fixture
def user(deployed: Deployed) -> User:
    return User(deployed.url)


def test_a_shops_list_goes_in_and_what_is_refused_is_told_by_line(deployed: Deployed, user: User) -> None:
    imported = put_in(deployed, user, "products", SHORT_LIST, columns=SHOP)

    assert counts(imported) == (5, 2, 1, 2)
    nameless, ambiguous = imported["rejections"]
    assert nameless == {"number": 2, "line": 3, "pointer": "/Description", "reason": NAMELESS}
    assert (ambiguous["line"], ambiguous["pointer"]) == (6, "/UnitPrice")
    assert "decimal_separator" in ambiguous["reason"]
    assert [(row["record"], row["line"], row["pointer"]) for row in report(imported)] == [
        ("2", "3", "/Description"),
        ("5", "6", "/UnitPrice"),
    ]
    products = {product["id"]: (product["name"], str(product["price"])) for product in all_of(user, "products")}
    assert products == {"L1": ('"Müller" lamp, red', "2.5"), "L3": ("=SUM(1;2)", "0.6645600532184904")}
    deployed.wait_for(lambda: user.ask("GET", "/v1/search?q=lamp+muller")["results"] or None)


def test_the_same_file_again_adds_nothing_under_whatever_name(deployed: Deployed, user: User) -> None:
    put_in(deployed, user, "products", SHORT_LIST, columns=SHOP)
    before = all_of(user, "products")

    again = put_in(deployed, user, "products", SHORT_LIST, columns=SHOP, filename="copy.csv")

    assert counts(again) == (5, 0, 3, 2)
    assert all_of(user, "products") == before


def test_a_price_list_changes_prices_and_nothing_that_it_does_not_say(deployed: Deployed, user: User) -> None:
    lamp = {"name": "Lamp", "price": 2, "description": "Of glass", "stock": 5}
    user.ask("PUT", "/v1/products/L1", lamp, status=201)

    put_in(deployed, user, "products", "id,name,price\nL1,Lamp,2.75\n")

    [product] = all_of(user, "products")
    assert {name: product[name] for name in lamp} == {**lamp, "price": 2.75}


def test_a_dry_run_tells_what_would_become_of_it_and_writes_nothing(deployed: Deployed, user: User) -> None:
    rehearsed = put_in(deployed, user, "products", SHORT_LIST, columns=SHOP, dry_run=True)

    assert (rehearsed["dry_run"], rehearsed["record_count"], refused_lines(rehearsed)) == (True, 5, [3, 6])
    assert all_of(user, "products") == []
    assert counts(put_in(deployed, user, "products", SHORT_LIST, columns=SHOP)) == (5, 2, 1, 2)


@pytest.mark.skipif(not RETAIL.exists(), reason="the real lists lie beside the project")
def test_a_real_day_of_a_shop_goes_in_and_the_rows_without_a_name_are_told(deployed: Deployed, user: User) -> None:
    """Both days, one after the other, go in in tests/triggers/test_imports.py."""
    content = (RETAIL / "2010-12-02.csv").read_text(encoding="utf-8")
    imported = put_in(deployed, user, "products", content, columns=SHOP)

    assert refused_lines(imported) == [1241, 1242]
    assert {(one["pointer"], one["reason"]) for one in imported["rejections"]} == {("/Description", NAMELESS)}
    assert imported["record_count"] == 2109 == sum(counts(imported)[1:])
    rows = [row for row in csv.DictReader(io.StringIO(content)) if row["Description"].strip()]
    assert {product["id"]: (product["name"], product["price"]) for product in all_of(user, "products")} == {
        row["StockCode"]: (row["Description"], float(row["UnitPrice"])) for row in rows
    }


@pytest.mark.parametrize(
    ("export", "said", "expected", "refused"),
    [
        (
            "toggl",
            {"columns": TOGGL},
            [
                ("2026-10-24T21:30:00Z", "2026-10-25T01:15:00Z", "Engine: Read, then draw", True),
                ("2026-10-26T08:00:00Z", "2026-10-26T09:30:15Z", 'Engine: Translate\nNote "G"', False),
            ],
            {5: "/Client", 6: "/Start time"},
        ),
        (
            "clockify",
            {"columns": CLOCKIFY, "date_format": "MM/DD/YYYY"},
            [
                ("2026-03-16T20:05:00Z", "2026-03-16T23:45:00Z", "Engine: Draw", True),
                ("2026-03-17T11:15:00Z", "2026-03-17T12:00:00Z", "Notes", False),
            ],
            {4: "/Client"},
        ),
        (
            "harvest",
            {"columns": HARVEST, "date_format": "DD.MM.YYYY", "decimal_separator": ","},
            [
                ("2026-01-26", 450, "Zeichnen", True),
                ("2026-01-27", 20, "Rechnen; prüfen", False),
                ("2026-01-28", 105, "", True),
            ],
            {},
        ),
    ],
    ids=["toggl", "clockify", "harvest"],
)
def test_a_time_trackers_export_becomes_work(
    deployed: Deployed, user: User, export: str, said: dict[str, Any], expected: Sequence[Any], refused: dict[int, str]
) -> None:
    client_id = user.ask("POST", "/v1/clients", {"name": "Babbage & Co", "rate": 90, "currency": "EUR"}, status=201)["id"]
    content = (ROOT / "tests" / "files" / f"{export}.csv").read_bytes()

    imported = put_in(deployed, user, "work", content, **said)

    assert {one["line"]: one["pointer"] for one in imported["rejections"]} == refused
    assert counts(imported) == (len(expected) + len(refused), len(expected), 0, len(refused))
    work = sorted(all_of(user, "work"), key=lambda entry: str(entry["date"]))
    assert {entry["client_id"] for entry in work} == {client_id}
    assert [when(entry) for entry in work] == list(expected)
    assert counts(put_in(deployed, user, "work", content, **said)) == (
        len(expected) + len(refused),
        0,
        len(expected),
        len(refused),
    )
    assert len(all_of(user, "work")) == len(expected)


def when(entry: Any) -> tuple[Any, ...]:
    said = (entry["description"], entry["billable"])
    if entry["started_at"] is None:
        return (entry["date"], entry["duration_seconds"] // 60, *said)
    return (entry["started_at"], entry["ended_at"], *said)


def test_clients_come_as_lines_of_json_with_the_apis_own_refusals(deployed: Deployed, user: User) -> None:
    ada = {"name": "Ada", "rate": "90.50", "currency": "EUR", "address": "Ockham\nSurrey"}
    lines = [json.dumps(ada), json.dumps({**ada, "name": "Zoë", "email": "nowhere"}), "", '{"name": NaN}']

    imported = put_in(deployed, user, "clients", "\n".join(lines), content_type="application/x-ndjson")

    assert counts(imported) == (3, 1, 0, 2)
    refused = user.send("POST", "/v1/clients", {**ada, "email": "nowhere"}).json()["errors"]
    assert [(one["line"], one["pointer"], one["reason"]) for one in imported["rejections"]][:1] == [
        (2, refused[0]["pointer"], refused[0]["detail"])
    ]
    assert refused_lines(imported) == [2, 4]
    [client] = all_of(user, "clients")
    assert (client["name"], str(client["rate"]), client["address"]) == ("Ada", "90.5", "Ockham\nSurrey")


def test_a_file_that_is_no_list_fails_with_the_reason(deployed: Deployed, user: User) -> None:
    zipped = begin(announce(user, "products", columns=SHOP), b"PK\x03\x04\x14\0\x06\0" + bytes(range(256)) * 9)
    lacking = begin(announce(user, "products", columns=SHOP), "Code,Name\n1,Lamp\n")

    failed = [ended(deployed, user, import_id) for import_id in (zipped, lacking)]

    assert [(one["status"], counts(one), one["report"]) for one in failed] == [("failed", (0, 0, 0, 0), None)] * 2
    assert failed[0]["reason"] == "the file is a zip archive or an Excel workbook; a workbook's sheet can be saved as CSV"
    assert failed[1]["reason"] == "the file has no column StockCode, which columns names"


def test_an_import_is_seen_by_its_own_account_only(deployed: Deployed, user: User) -> None:
    import_id = begin(announce(user, "products", columns=SHOP), SHORT_LIST)
    stranger = User(deployed.url)

    assert stranger.send("GET", f"/v1/imports/{import_id}").status_code == 404
    assert stranger.ask("GET", "/v1/imports")["imports"] == []
    ended(deployed, user, import_id)
    assert [one["id"] for one in user.ask("GET", "/v1/imports")["imports"]] == [import_id]
    assert all_of(stranger, "products") == []


@contextmanager
def short_of_time(deployed: Deployed) -> Iterator[None]:
    """A run may take a second: a minute before its function's time is over, it leaves the rest to the next one."""
    functions, name = deployed.client("lambda"), deployed.function("OnImport")
    before = functions.get_function_configuration(FunctionName=name)["Timeout"]
    functions.update_function_configuration(FunctionName=name, Timeout=61)
    yield
    functions.update_function_configuration(FunctionName=name, Timeout=before)


def test_what_takes_longer_than_one_invocation_goes_in_whole_and_its_progress_can_be_seen(
    deployed: Deployed, user: User
) -> None:
    rows = [f"A{number:04},Article {number},{number / 100}" for number in range(1, 1001)]
    seen: list[tuple[str, int, int]] = []

    def watch(imported: Any) -> None:
        assert sum(counts(imported)[1:]) == imported["record_count"]
        seen.append((imported["status"], imported["record_count"], imported["bytes_read"]))

    before = len(deployed.events_of("OnImport"))
    with short_of_time(deployed):
        begun = begin(announce(user, "products"), "\n".join(["id,name,price", *rows, "A 1,,1", ""]))
        imported = ended(deployed, user, begun, watch)

    assert (imported["status"], counts(imported)) == ("completed", (1001, 1000, 0, 1))
    assert refused_lines(imported) == [1002]
    assert len(deployed.events_of("OnImport")) - before > 1
    assert [line for line in seen if line[0] == "processing" and 0 < line[1] < 1001 and 0 < line[2] < imported["size"]]
    assert [line[1:] for line in seen] == sorted(line[1:] for line in seen)
    products = all_of(user, "products")
    assert {(product["id"], product["name"]) for product in products} == {tuple(row.split(",")[:2]) for row in rows}


def objects_of(deployed: Deployed, user: User, import_id: str) -> list[str]:
    """The versions of its objects that S3 has, each by its key."""
    pages = deployed.client("s3").get_paginator("list_object_versions")
    bucket = deployed.deployment.outputs["FilesBucketName"]
    found = [
        page
        for prefix in ("incoming", "reports")
        for page in pages.paginate(Bucket=bucket, Prefix=f"{prefix}/{user.account_id}")
    ]
    return [version["Key"] for page in found for version in page.get("Versions", []) if f"/{import_id}/" in version["Key"]]


def test_an_import_can_be_stopped_and_leaves_no_file_behind(deployed: Deployed, user: User) -> None:
    rows = [f"A{number:04},Article {number},1" for number in range(1, 2001)]
    with short_of_time(deployed):
        import_id = begin(announce(user, "products"), "\n".join(["id,name,price", "A 1,,1", *rows, ""]))
        path = f"/v1/imports/{import_id}"
        deployed.wait_for(lambda: user.ask("GET", path)["record_count"] or None, WORKED_OFF_SECONDS)
        last = user.ask("DELETE", path)
        stopped_at = len(all_of(user, "products"))
        assert (last["status"], last["report"]) == ("processing", None)
        assert user.send("GET", path).status_code == 404
        assert user.send("DELETE", path).status_code == 404
        put_in(deployed, user, "clients", "name,rate,currency\nAda,90,EUR\n")  # which stands behind it in the queue

    assert 0 < last["added_count"] <= stopped_at < len(rows)
    assert len(all_of(user, "products")) == stopped_at
    assert objects_of(deployed, user, import_id) == []


def test_an_import_that_is_done_can_be_deleted_with_its_file_and_report(deployed: Deployed, user: User) -> None:
    imported = put_in(deployed, user, "products", SHORT_LIST, columns=SHOP)
    assert len(objects_of(deployed, user, imported["id"])) == 2

    assert user.ask("DELETE", f"/v1/imports/{imported['id']}") == imported | {"report": None}

    assert objects_of(deployed, user, imported["id"]) == []
    assert requests.get(imported["report"], timeout=TIMEOUT_SECONDS).status_code == 404
    assert len(all_of(user, "products")) == 2
    assert counts(put_in(deployed, user, "products", SHORT_LIST, columns=SHOP)) == (5, 0, 3, 2)


@contextmanager
def impatient(deployed: Deployed) -> Iterator[None]:
    """What has failed comes again at once."""
    sqs = deployed.client("sqs")
    url = sqs.get_queue_url(QueueName="daybook-local-imports.fifo")["QueueUrl"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    yield
    sqs.set_queue_attributes(QueueUrl=url, Attributes=before)


@contextmanager
def out_of_reach(deployed: Deployed, account_id: str, import_id: str) -> Iterator[None]:
    """No function can read the file of that import."""
    iam, functions = deployed.client("iam"), deployed.client("lambda")
    role = functions.get_function_configuration(FunctionName=deployed.function("OnImport"))["Role"].rpartition("/")[2]
    resource = f"arn:aws:s3:::{deployed.deployment.outputs['FilesBucketName']}/incoming/{account_id}/{import_id}/*"
    denied = {"Effect": "Deny", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": [resource]}
    policy = {"RoleName": role, "PolicyName": "outage"}
    iam.put_role_policy(**policy, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [denied]}))
    yield
    iam.delete_role_policy(**policy)


def test_what_fails_again_and_again_holds_nobody_up_and_goes_on_once_it_is_put_back(deployed: Deployed, user: User) -> None:
    poisoned = announce(user, "products", columns=SHOP)
    with impatient(deployed):
        with out_of_reach(deployed, user.account_id, poisoned["id"]):
            begin(poisoned, SHORT_LIST)
            client = json.dumps([{"name": "Ada", "rate": 90, "currency": "EUR"}])
            behind = begin(announce(user, "clients", content_type="application/json"), client)
            assert counts(put_in(deployed, User(deployed.url), "products", SHORT_LIST, columns=SHOP)) == (5, 2, 1, 2)
            given_up = ended(deployed, user, poisoned["id"])
            assert (given_up["status"], counts(given_up)) == ("failed", (0, 0, 0, 0))
            assert "failed again and again" in given_up["reason"]
            assert counts(ended(deployed, user, behind)) == (1, 1, 0, 0)

        account = Account.of(boto3.Session(botocore_session=deployed.aws.session()), deployed.aws.endpoint)

        def put_back() -> str | None:
            return next((outcome.said for outcome in redrive("local", account, "imports")), None)

        assert deployed.wait_for(put_back) == "1 back into daybook-local-imports.fifo"
        gone_on = ended(deployed, user, poisoned["id"], ends=["completed"])

    assert (gone_on["reason"], counts(gone_on)) == (None, (5, 2, 1, 2))
    assert len(all_of(user, "products")) == 2
