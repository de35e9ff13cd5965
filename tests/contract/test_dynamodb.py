"""What only DynamoDB can get wrong: sizes, items left unprocessed, collisions, lost answers, and what the stream sees."""

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.session import get_session
from botocore.stub import ANY, Stubber

from chalicelib.domain.errors import Contended, InvoiceTooLarge, NotFound, Unavailable
from chalicelib.domain.images import removal
from chalicelib.domain.work import MAX_ENTRIES_ON_SHEET, WorkChange
from chalicelib.repositories.clients import DynamoClients
from chalicelib.repositories.invoices import DynamoInvoices
from chalicelib.repositories.items import size_of
from chalicelib.repositories.keys import Key, Range
from chalicelib.repositories.ledger import CHUNK_BYTES
from chalicelib.repositories.stream_images import plain_image
from chalicelib.repositories.table import Table
from chalicelib.repositories.work import DynamoWork
from chalicelib.repositories.writes import add, put, unchanged
from tests.builders import NOW, a_client, a_product, a_stock_change, a_timed_entry, a_timer, an_entry, an_image
from tests.contract.stores import TABLE, DynamoStore, credited, drawn_up, items_in, log, log_many, opened

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

JANUARY, FEBRUARY = date(2026, 1, 31), date(2026, 2, 28)


@pytest.fixture
def ada(client: "DynamoDBClient") -> DynamoStore:
    """With an account and a client that is invoiced on the last day of a month."""
    store = DynamoStore(client)
    opened(store)
    store.clients.add(a_client("cli_1", invoice_day=31))
    return store


# Sizes


def test_a_long_invoice_stands_in_several_items_each_well_below_400_kb(ada: DynamoStore, client: "DynamoDBClient") -> None:
    log_many(ada, [an_entry(f"wrk_{number:03d}", description="€" * 1_000) for number in range(250)])
    issue = drawn_up(ada, JANUARY)

    ada.ledger.issue(issue)

    chunks = [item for item in items_in(client) if item["type"]["S"] == "lines"]
    assert len(chunks) == 3
    assert max(len(str(item).encode()) for item in chunks) < CHUNK_BYTES * 1.2
    assert ada.invoices.lines("acc_1", "inv_1") == issue.lines


def test_an_invoice_that_no_transaction_takes_is_refused_before_it_is_sent(ada: DynamoStore, client: "DynamoDBClient") -> None:
    log(ada, an_entry())
    issue = drawn_up(ada, JANUARY)
    long_line = replace(issue.lines[0], description="€" * 2_000)
    before = items_in(client)

    with pytest.raises(InvoiceTooLarge):
        ada.ledger.issue(replace(issue, lines=(long_line,) * 700))

    assert items_in(client) == before


def test_a_full_sheet_fits_into_an_item() -> None:
    entries = {f"wrk_{number:026d}" for number in range(MAX_ENTRIES_ON_SHEET)}
    invoices = {f"inv_{number:026d}": set(list(entries)[number::500]) for number in range(500)}

    assert size_of({"billed": invoices, "open": entries}) / 2 + 20_000 < 400_000


# Reading while others write


def test_open_work_that_changes_while_it_is_read_is_read_again(ada: DynamoStore, monkeypatch: pytest.MonkeyPatch) -> None:
    log(ada, an_entry("wrk_1"), an_entry("wrk_2"))
    moved = replace(an_entry("wrk_1"), day=date(2026, 2, 1), version=2)
    interfere_before_entries(
        ada, monkeypatch, [WorkChange(old=an_entry("wrk_1"), new=moved), WorkChange(old=an_entry("wrk_2"))]
    )

    work = ada.ledger.open_work("acc_1", "cli_1", FEBRUARY)

    assert work.entries == (moved,)
    assert work.sheets == ada.work.sheets("acc_1", "cli_1", ["2026-02"])


def test_open_work_that_never_stands_still_is_contended(ada: DynamoStore, monkeypatch: pytest.MonkeyPatch) -> None:
    log(ada, *(an_entry(f"wrk_{number}") for number in range(9)))
    interfere_before_entries(ada, monkeypatch, [WorkChange(old=an_entry(f"wrk_{number}")) for number in range(9)])

    with pytest.raises(Contended):
        ada.ledger.open_work("acc_1", "cli_1", JANUARY)


def interfere_before_entries(store: DynamoStore, monkeypatch: pytest.MonkeyPatch, changes: list[WorkChange]) -> None:
    """Before each time that a ledger reads entries, one of the changes happens."""
    table = store.ledger._table
    get_all = table.get_all

    def interfered(keys: object) -> object:
        wanted = list(keys)  # type: ignore[call-overload]
        if changes and wanted and wanted[0].sk.startswith("work#"):
            store.work.commit(changes.pop(0))
        return get_all(wanted)

    monkeypatch.setattr(table, "get_all", interfered)


# What the table says


_SESSION = get_session()
"""One for all: each would load DynamoDB's model again."""


def a_botocore_client(config: Config | None = None) -> Any:
    return _SESSION.create_client(
        "dynamodb", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b", config=config
    )


@pytest.fixture
def stubbed() -> "Stubbed":
    """A table whose answers are given, and the pauses that it made."""
    client = a_botocore_client()
    pauses: list[float] = []
    stubber = Stubber(client)
    stubber.activate()
    return Table(client, TABLE, sleep=pauses.append), stubber, pauses


Stubbed = tuple[Table, Stubber, list[float]]
A, B, C = (Key("acc_1", f"client#cli_{letter}") for letter in "abc")


def image(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def batch(*keys: Key) -> dict[str, Any]:
    return {TABLE: {"Keys": [image(key) for key in keys], "ConsistentRead": True}}


def test_keys_that_dynamodb_left_unprocessed_are_asked_for_again(stubbed: Stubbed) -> None:
    table, stubber, pauses = stubbed
    first = {"Responses": {TABLE: [image(A)]}, "UnprocessedKeys": batch(B, C)}
    second = {"Responses": {TABLE: [image(B)]}, "UnprocessedKeys": batch(C)}
    for answer, asked in ((first, batch(A, B, C)), (second, batch(B, C)), ({"Responses": {TABLE: []}}, batch(C))):
        stubber.add_response("batch_get_item", answer, {"RequestItems": asked})

    assert set(table.get_all([A, B, C, A])) == {A, B}
    stubber.assert_no_pending_responses()
    assert len(pauses) == 2


def test_keys_that_stay_unprocessed_are_unavailable(stubbed: Stubbed) -> None:
    table, stubber, _ = stubbed
    for _ in range(5):
        stubber.add_response("batch_get_item", {"Responses": {TABLE: []}, "UnprocessedKeys": batch(A)})

    with pytest.raises(Unavailable):
        table.get_all([A])


def test_a_hundred_keys_are_asked_for_at_once(stubbed: Stubbed) -> None:
    table, stubber, _ = stubbed
    keys = [Key("acc_1", f"work#wrk_{number}") for number in range(250)]
    for start in (0, 100, 200):
        some = keys[start : start + 100]
        stubber.add_response("batch_get_item", {"Responses": {TABLE: list(map(image, some))}}, {"RequestItems": batch(*some)})

    assert list(table.get_all(keys)) == keys


def test_a_query_is_read_to_its_last_page(stubbed: Stubbed) -> None:
    table, stubber, _ = stubbed
    asked = {
        "TableName": TABLE,
        "ConsistentRead": True,
        "ScanIndexForward": True,
        "KeyConditionExpression": "#pk = :pk AND #sk BETWEEN :low AND :high",
        "ExpressionAttributeNames": {"#pk": "pk", "#sk": "sk"},
        "ExpressionAttributeValues": {":pk": {"S": "acc_1"}, ":low": {"S": "client#"}, ":high": {"S": "client#~"}},
    }
    stubber.add_response("query", {"Items": [image(A)], "LastEvaluatedKey": image(A)}, asked)
    stubber.add_response("query", {"Items": [], "LastEvaluatedKey": image(B)}, {**asked, "ExclusiveStartKey": image(A)})
    stubber.add_response("query", {"Items": [image(C)]}, {**asked, "ExclusiveStartKey": image(B)})

    assert [item["sk"] for item in table.query(Range("acc_1", "client#", "client#~"))] == [A.sk, C.sk]


@pytest.mark.parametrize(
    "impossible", ["", "x" * 65, "cli_1#", "cli_1\x00", "\ud800", "../cli_1", "client#cli_1", "Ä", "cli_1\n"]
)
def test_an_id_that_no_key_holds_is_not_found_without_asking(stubbed: Stubbed, impossible: str) -> None:
    table, _, _ = stubbed

    for get in (DynamoClients(table).get, DynamoWork(table).get, DynamoInvoices(table).get, DynamoInvoices(table).lines):
        with pytest.raises(NotFound):
            get("acc_1", impossible)
        with pytest.raises(NotFound):
            get(impossible, "cli_1")


JANUARY_AT_WORK = Range("acc_1", "workday#2026-01-01", "workday#2026-01-31#~")


@pytest.mark.parametrize(
    ("newest_first", "after", "started_from"),
    [
        (True, "workday#2026-02-05#-#wrk_1", None),
        (True, "workday#2026-01-05#-#wrk_1", "workday#2026-01-05#-#wrk_1"),
        (False, "workday#2025-12-31#-#wrk_1", None),
        (False, "workday#2026-01-05#-#wrk_1", "workday#2026-01-05#-#wrk_1"),
    ],
)
def test_a_query_starts_behind_a_position_only_within_its_range(
    stubbed: Stubbed, newest_first: bool, after: str, started_from: str | None
) -> None:
    table, stubber, _ = stubbed
    expected = {
        "TableName": TABLE,
        "ConsistentRead": True,
        "ScanIndexForward": not newest_first,
        "KeyConditionExpression": ANY,
        "ExpressionAttributeNames": ANY,
        "ExpressionAttributeValues": ANY,
        **({} if started_from is None else {"ExclusiveStartKey": image(Key("acc_1", started_from))}),
    }
    stubber.add_response("query", {"Items": []}, expected)

    assert list(table.query(JANUARY_AT_WORK, newest_first=newest_first, after=after)) == []
    stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("newest_first", "after"), [(True, "workday#2025-12-31#-#wrk_1"), (False, "workday#2026-02-01#-#wrk_1")]
)
def test_a_position_behind_the_whole_range_ends_the_list_without_asking(
    stubbed: Stubbed, newest_first: bool, after: str
) -> None:
    table, _, _ = stubbed

    assert list(table.query(JANUARY_AT_WORK, newest_first=newest_first, after=after)) == []


def test_a_range_that_ends_before_it_begins_is_empty_and_not_asked_for(stubbed: Stubbed) -> None:
    table, _, _ = stubbed

    assert list(table.query(Range("acc_1", "workday#2026-01-06", "workday#2026-01-05#~"))) == []


def cancelled(stubber: Stubber, *codes: str, item: dict[str, Any] | None = None) -> None:
    reasons = [{"Code": code, **({"Item": item} if item and code == "ConditionalCheckFailed" else {})} for code in codes]
    stubber.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        http_status_code=400,
        modeled_fields={"CancellationReasons": reasons},
    )


def write(table: Table) -> None:
    table.transact(add(dict(A._asdict())), put(dict(B._asdict()), condition="#version = :before", before=1))


def test_a_transaction_that_collided_is_tried_again(stubbed: Stubbed) -> None:
    table, stubber, pauses = stubbed
    cancelled(stubber, "None", "TransactionConflict")
    cancelled(stubber, "TransactionConflict", "TransactionConflict")
    stubber.add_response("transact_write_items", {})

    write(table)

    stubber.assert_no_pending_responses()
    assert len(pauses) == 2
    assert all(0 <= pause <= 0.1 for pause in pauses)


def test_a_transaction_that_goes_on_colliding_is_contended(stubbed: Stubbed) -> None:
    table, stubber, pauses = stubbed
    for _ in range(5):
        cancelled(stubber, "TransactionConflict", "None")

    with pytest.raises(Contended):
        write(table)

    stubber.assert_no_pending_responses()
    assert len(pauses) == 4


def test_a_transaction_that_is_too_much_at_once_waits_longer_and_is_unavailable_at_last(stubbed: Stubbed) -> None:
    table, stubber, pauses = stubbed
    for _ in range(5):
        cancelled(stubber, "ThrottlingError", "TransactionConflict")

    with pytest.raises(Unavailable):
        write(table)

    stubber.assert_no_pending_responses()
    assert len(pauses) == 4
    assert all(least <= pause <= 2 for least, pause in zip((0.2, 0.4, 0.8, 1), pauses, strict=True))


def test_what_was_only_asked_for_can_be_written_in_the_transaction_after(ada: DynamoStore) -> None:
    """A thing that was asked for in what went out, and is asked for again, is touched by what is gathered next."""
    table = ada.row_marks._table
    ours = Key("acc_1", "ours")
    table.transact(put({**ours._asdict(), "version": 1}))
    asked = unchanged(ours, condition="#version = :one", one=1)

    with table.together():
        for number in range(99):
            table.transact(asked, put(dict(Key("acc_1", f"a{number}")._asdict())))
        table.transact(asked, put(dict(Key("acc_1", "b")._asdict())))
        table.transact(put({**ours._asdict(), "version": 2}))

    assert table.find(ours)["version"] == 2


def test_what_is_written_by_itself_comes_behind_what_was_gathered(ada: DynamoStore) -> None:
    table = ada.row_marks._table
    first, second, third = (Key("acc_1", name) for name in ("first", "second", "third"))

    with table.together([second]):
        table.transact(put({**first._asdict(), "version": 1}))
        table.replace({**first._asdict(), "version": 2}, condition="#version = :one", one=1)
        table.add_unless_there({**second._asdict(), "version": 7})
        assert table.find(second)["version"] == 7
        table.transact(put({**third._asdict(), "count": 4}))
        assert table.count(third, expires_at=1) == 5

    assert table.find(first)["version"] == 2


@pytest.mark.parametrize(
    ("codes", "item", "error"),
    [
        (("None", "ConditionalCheckFailed"), None, NotFound),
        (("None", "ConditionalCheckFailed"), image(B), Contended),
        (("ConditionalCheckFailed", "None"), None, Contended),
        (("TransactionConflict", "ConditionalCheckFailed"), None, NotFound),
        (("ConditionalCheckFailed", "ConditionalCheckFailed"), None, NotFound),
        (("ThrottlingError", "None"), None, None),
        (("ProvisionedThroughputExceeded", "TransactionConflict"), None, None),
        (("ValidationError", "None"), None, ClientError),
        (("ValidationError", "TransactionConflict"), None, ClientError),
    ],
)
def test_a_condition_that_does_not_hold_is_an_answer(
    stubbed: Stubbed, codes: Sequence[str], item: dict[str, Any] | None, error: type[Exception] | None
) -> None:
    table, stubber, _ = stubbed
    cancelled(stubber, *codes, item=item)
    if error is None:
        stubber.add_response("transact_write_items", {})
        write(table)
    else:
        with pytest.raises(error):
            write(table)
    stubber.assert_no_pending_responses()


CALLS: dict[str, Callable[[Table], object]] = {
    "get_item": lambda table: table.get(A),
    "batch_get_item": lambda table: table.get_all([A]),
    "query": lambda table: list(table.query(Range("acc_1", "a", "b"))),
    "put_item": lambda table: table.add_unless_there(dict(A._asdict())),
    "transact_write_items": write,
}
PASSING = [
    ("ProvisionedThroughputExceededException", 400),
    ("ThrottlingException", 400),
    ("RequestLimitExceeded", 400),
    ("TransactionInProgressException", 400),
    ("InternalServerError", 500),
    ("Whatever", 503),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("code", "status"), PASSING)
def test_a_service_that_asks_for_patience_is_unavailable(stubbed: Stubbed, call: str, code: str, status: int) -> None:
    table, stubber, _ = stubbed
    stubber.add_client_error(call, code, http_status_code=status)

    with pytest.raises(Unavailable):
        CALLS[call](table)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("code", ["ValidationException", "AccessDeniedException", "ResourceNotFoundException"])
def test_a_fault_of_ours_is_not_hidden(stubbed: Stubbed, call: str, code: str) -> None:
    table, stubber, _ = stubbed
    stubber.add_client_error(call, code, http_status_code=400)

    with pytest.raises(ClientError):
        CALLS[call](table)


@pytest.mark.parametrize("call", CALLS)
def test_an_answer_that_never_comes_is_unavailable(call: str) -> None:
    client = a_botocore_client(Config(retries={"total_max_attempts": 1}))

    def lose(request: Any, **_: object) -> None:
        raise ReadTimeoutError(endpoint_url=request.url)

    client.meta.events.register_first("before-send.dynamodb.*", lose)

    with pytest.raises(Unavailable):
        CALLS[call](Table(client, TABLE))


def test_an_item_that_a_transaction_holds_is_added_when_it_is_free(stubbed: Stubbed) -> None:
    table, stubber, pauses = stubbed
    stubber.add_client_error("put_item", "TransactionConflictException")
    stubber.add_response("put_item", {})

    table.add_unless_there(dict(A._asdict()))

    stubber.assert_no_pending_responses()
    assert len(pauses) == 1


def test_an_item_that_transactions_hold_for_long_is_contended(stubbed: Stubbed) -> None:
    table, stubber, _ = stubbed
    for _ in range(5):
        stubber.add_client_error("put_item", "TransactionConflictException")

    with pytest.raises(Contended):
        table.add_unless_there(dict(A._asdict()))


def test_more_writes_than_a_transaction_takes_are_a_mistake(stubbed: Stubbed) -> None:
    table, _, _ = stubbed

    with pytest.raises(ValueError, match="101"):
        table.transact(*(add(dict(Key("acc_1", str(number))._asdict())) for number in range(101)))


def test_every_write_goes_out_under_a_token_so_that_it_can_be_sent_again(ada: DynamoStore, client: "DynamoDBClient") -> None:
    sent: list[str] = []

    def note(params: Any, **_: object) -> None:
        sent.append(json.loads(params["body"])["ClientRequestToken"])

    client.meta.events.register("before-call.dynamodb.TransactWriteItems", note)
    try:
        ada.timers.start(a_timer())
        log(ada, an_entry())
        ada.ledger.issue(drawn_up(ada, JANUARY))
    finally:
        client.meta.events.unregister("before-call.dynamodb.TransactWriteItems", note)

    assert len(set(sent)) == 3


# What the stream sees


def test_only_what_is_told_or_found_again_has_an_id_and_every_item_says_what_and_whose_it_is(
    ada: DynamoStore, client: "DynamoDBClient"
) -> None:
    log(ada, a_timed_entry("wrk_1"), an_entry("wrk_2"))
    ada.timers.start(a_timer())
    ada.ledger.issue(drawn_up(ada, JANUARY))
    ada.ledger.credit(credited(ada))
    ada.products.add(a_product())
    ada.stock.change(a_stock_change())
    ada.products.remove(ada.products.add(a_product("gone")))
    for image in (an_image("img_1"), an_image("img_2")):
        ada.images.add(image)
    ada.images.remove(image, removal(image, now=NOW))

    items = items_in(client)

    told = {"account", "user", "client", "work", "invoice", "credit_note", "product", "image"}
    assert {item["type"]["S"] for item in items if "id" in item} == told | {"stock_change"}
    assert {item["type"]["S"] for item in items if "id" not in item} == {
        "owners",
        "sign_in",
        "workday",
        "sheet",
        "calendar",
        "timer",
        "series",
        "lines",
        "product_version",
        "image_removal",
    }
    assert {item["account_id"]["S"] for item in items} == {"acc_1"}
    assert all("version" in item for item in items if item["type"]["S"] in told)


def test_an_operator_sets_an_accounts_own_limit_as_the_manual_says(ada: DynamoStore, client: "DynamoDBClient") -> None:
    manual = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    (line,) = [line for line in manual.splitlines() if "aws dynamodb update-item" in line]
    words = shlex.split(line.replace("daybook-STAGE", TABLE).replace("ACCOUNT_ID", "acc_1"))
    options = dict(zip(words[3::2], words[4::2], strict=True))
    read = ada.accounts.get("acc_1")

    client.update_item(
        TableName=options["--table-name"],
        Key=json.loads(options["--key"]),
        ConditionExpression=options["--condition-expression"],
        UpdateExpression=options["--update-expression"],
        ExpressionAttributeValues=json.loads(options["--expression-attribute-values"]),
    )

    assert ada.accounts.get("acc_1").requests_per_minute == 600
    assert ada.access.standing("acc_1", "usr_1").requests_per_minute == 600
    with pytest.raises(Contended):
        ada.accounts.save(replace(read, name="Ada GmbH", version=read.version + 1))


def test_an_image_reads_as_plain_data_without_keys_and_with_exact_amounts(ada: DynamoStore, client: "DynamoDBClient") -> None:
    log(ada, an_entry(minutes=110))
    issue = drawn_up(ada, JANUARY)
    ada.ledger.issue(issue)
    images = {item["type"]["S"]: item for item in items_in(client)}

    invoice, kept_client, account = (plain_image(images[name]) for name in ("invoice", "client", "account"))

    assert str(invoice["net"]) == "174.17"
    assert invoice["net"] == issue.invoice.net
    assert invoice["period_through"] == "2026-01-31"
    assert (invoice["version"], invoice["status"]) == (1, "issued")
    assert "delivery" in invoice
    assert {"pk", "sk", "due", "type"}.isdisjoint({*invoice, *kept_client, *account})
    assert kept_client["due_at"] == "2026-01-30T23:00:00Z"
    assert account["id"] == "acc_1"


def test_an_image_of_another_kind_reads_as_it_is() -> None:
    assert plain_image({**image(A), "type": {"S": "sheet"}, "open": {"SS": ["wrk_1"]}, "version": {"N": "3"}}) == {
        "open": {"wrk_1"},
        "version": 3,
    }


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"type": {"S": "client"}, "id": {"S": "cli_1"}}, "missing required field"),
        ({"type": {"S": "client"}, "id": {"NULL": True}}, "NULL"),
        ({"type": {"S": "client"}, "id": {"B": b"?"}}, "type B"),
        ({"type": {"S": "sheet"}, "version": {"N": "1.5"}}, "1.5"),
        ({"id": {}}, "not enough values"),
    ],
)
def test_an_image_that_is_not_what_it_says_is_refused(broken: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        plain_image(broken)
