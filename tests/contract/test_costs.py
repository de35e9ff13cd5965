"""What the main job asks of AWS, counted: it follows the clients that are due and the entries that are billed, nothing else."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.session import get_session

import app as daybook
from benchmarks.costs import ENTRIES_OF_DUE, QUEUE, Desk, Meter, invoice, night
from benchmarks.things import CLIENT, a_client, an_account, an_owner, api_event
from chalicelib.domain.limits import Quotas
from chalicelib.domain.orders import MAX_PRODUCTS, OrderFilter, Receipt, confirmed, noted, paid
from chalicelib.domain.paging import PageRequest
from chalicelib.domain.users import Role
from chalicelib.repositories import keys
from chalicelib.repositories.accounts import DynamoAccess, DynamoAccounts, DynamoUsers
from chalicelib.repositories.clients import DynamoClients
from chalicelib.repositories.items import to_image, to_item
from chalicelib.repositories.keyed_requests import DynamoKeyedRequests
from chalicelib.repositories.limits import DynamoLimits
from chalicelib.repositories.orders import DynamoOrders, DynamoReservations
from chalicelib.repositories.products import DynamoProducts, DynamoStock
from chalicelib.repositories.table import MAX_TRANSACTION_BYTES, MAX_WRITES, Table
from chalicelib.usecases.limits import count_sign_in
from chalicelib.usecases.users import change_user, list_users, remove_user
from tests.builders import a_caller, a_product, a_reservation, a_stock_change, an_order
from tests.contract.stores import EPHEMERAL_TABLE, TABLE
from tests.fakes import CountedIds, FixedClock, MemoryTokenKeys

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

QUOTAS = Quotas(user_requests=3, address_requests=3, sign_in_attempts=2, sign_in_quiet_seconds=900)


@pytest.fixture
def sqs(client: "DynamoDBClient") -> Iterator[Any]:
    sqs: Any = get_session().create_client("sqs", region_name="eu-central-1")
    url = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    yield sqs
    sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def desk(client: "DynamoDBClient", sqs: Any) -> Desk:
    return Desk(dynamodb=client, sqs=sqs, table=TABLE)


@pytest.fixture
def meter(client: "DynamoDBClient", sqs: Any) -> Iterator[Meter]:
    meter = Meter(client, sqs)
    yield meter
    meter.leave()


def test_a_night_reads_and_writes_for_the_clients_that_are_due_however_many_there_are(desk: Desk, meter: Meter) -> None:
    few_asking, few_issuing = night(desk, meter, due=3, clients=3)
    asking, issuing = night(desk, meter, due=3, clients=150)

    assert asking.calls == few_asking.calls == Counter(Query=1, PutItem=3, GetQueueUrl=1, SendMessageBatch=1)
    assert asking.items_read == few_asking.items_read == 3
    assert issuing.calls == few_issuing.calls
    assert issuing.items_read == few_issuing.items_read


def test_twice_the_due_clients_cost_twice_as_much(desk: Desk, meter: Meter) -> None:
    asking_five, issuing_five = night(desk, meter, due=5, clients=20)
    asking_ten, issuing_ten = night(desk, meter, due=10, clients=20)

    assert asking_ten.calls["PutItem"] == 2 * asking_five.calls["PutItem"] == 10
    assert asking_ten.items_read == 2 * asking_five.items_read
    assert issuing_ten.calls == Counter({name: 2 * count for name, count in issuing_five.calls.items()})
    # For each its account, client, sheet and entries, and the number before; that one the account's first invoice lacks.
    assert issuing_five.items_read == 5 * (4 + ENTRIES_OF_DUE) - 1
    assert issuing_ten.items_read == 10 * (4 + ENTRIES_OF_DUE) - 1


@pytest.mark.parametrize("entries", [1, 200, 2_000])
def test_an_invoice_of_any_length_is_one_transaction_within_dynamodbs_limits(desk: Desk, meter: Meter, entries: int) -> None:
    cost = invoice(desk, meter, entries=entries)

    keys_at_once = 100
    assert cost.calls == Counter(BatchGetItem=1 + math.ceil(entries / keys_at_once), Query=1, GetItem=1, TransactWriteItems=1)
    assert cost.transaction_items <= 10 < MAX_WRITES
    assert cost.transaction_bytes < MAX_TRANSACTION_BYTES


def wired_for_costs(client: "DynamoDBClient", **more: Any) -> SimpleNamespace:
    """There is nothing else that could be asked."""
    limits = DynamoLimits(Table(client, EPHEMERAL_TABLE))
    return SimpleNamespace(limits=limits, quotas=QUOTAS, clock=FixedClock(), **more)


def test_getting_a_client_is_one_read_and_one_count_and_its_authorizer_another_read_for_a_minute(
    client: "DynamoDBClient", meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Table(client, TABLE)
    DynamoAccounts(table).add(an_account(), an_owner())
    clients = DynamoClients(table)
    clients.add(CLIENT)
    only = wired_for_costs(client, access=DynamoAccess(table), clients=clients, token_keys=MemoryTokenKeys())
    monkeypatch.setattr(daybook, "wired", only)
    token = daybook.tokens.issue(an_owner()).access_token

    with meter.measuring() as cost:
        admitted = daybook.authorize(
            {"type": "TOKEN", "methodArn": "arn:aws:execute-api:x:y:z/api/GET/v1", "authorizationToken": f"Bearer {token}"},
            None,
        )
        event = api_event("/v1/clients/{client_id}", {"client_id": CLIENT.id})
        event["requestContext"]["authorizer"] = admitted["context"]
        answer = daybook.app(event, None)

    assert answer["statusCode"] == 200
    assert cost.calls == Counter(BatchGetItem=1, UpdateItem=1, GetItem=1), "one to count the request"
    assert cost.items_read == 2 + 1


def test_a_key_costs_a_claim_an_answer_and_one_item_of_the_effect(
    client: "DynamoDBClient", meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, ephemeral = Table(client, TABLE, ephemeral=EPHEMERAL_TABLE), Table(client, EPHEMERAL_TABLE)
    DynamoAccounts(table).add(an_account(), an_owner())
    only = {"accounts": DynamoAccounts(table), "clients": DynamoClients(table), "ids": CountedIds()}
    monkeypatch.setattr(daybook, "wired", wired_for_costs(client, **only, keyed_requests=DynamoKeyedRequests(ephemeral)))

    def add_client(key: str | None) -> dict[str, Any]:
        event = api_event(
            "/v1/clients",
            method="POST",
            body='{"name": "Babbage & Co", "rate": 95, "currency": "EUR"}',
            more_headers={"Idempotency-Key": key} if key else None,
        )
        answer: dict[str, Any] = daybook.app(event, None)
        assert answer["statusCode"] == 201, answer
        return answer

    with meter.measuring() as plain:
        add_client(None)
    with meter.measuring() as keyed:
        first = add_client("one")
    with meter.measuring() as again:
        assert add_client("one")["body"] == first["body"]

    assert plain.calls == Counter(UpdateItem=1, GetItem=1, TransactWriteItems=1)
    assert keyed.calls == Counter(UpdateItem=1, GetItem=2, TransactWriteItems=3)
    assert again.calls == Counter(UpdateItem=1, GetItem=1)


def test_users_cost_the_same_however_many_there_are(client: "DynamoDBClient", meter: Meter) -> None:
    table = Table(client, TABLE)
    accounts, users = DynamoAccounts(table), DynamoUsers(table)
    accounts.add(an_account(), an_owner())
    for number in range(30):
        users.add(replace(an_owner(), id=f"usr_{number}", email=f"{number}@example.com"))
    caller, desk = a_caller(an_owner()), SimpleNamespace(accounts=accounts, users=users, clock=FixedClock())

    with meter.measuring() as listing:
        list_users(caller, PageRequest(), users=users)
    with meter.measuring() as changing:
        change_user(
            caller,
            "usr_7",
            lambda details: replace(details, email="seven@example.com", role=Role.MEMBER),
            desk=desk,
        )
    with meter.measuring() as removing:
        remove_user(caller, "usr_8", accounts=accounts, users=users)

    assert (listing.calls, listing.items_read) == (Counter(Query=1), 21)
    # The user, and whether the caller still may. Then the user, its addresses, the owners, the caller; in the end its timer.
    assert (changing.calls, changing.items_read) == (Counter(GetItem=2, TransactWriteItems=1), 2)
    assert (removing.calls, removing.items_read) == (Counter(GetItem=2, TransactWriteItems=1), 2)
    assert (changing.transaction_items, removing.transaction_items) == (5, 5)


def test_a_page_of_clients_is_one_read_of_one_more_than_it_shows(
    client: "DynamoDBClient", meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = DynamoClients(Table(client, TABLE))
    for number in range(30):
        clients.add(a_client(number, account=an_account()))
    monkeypatch.setattr(daybook, "wired", wired_for_costs(client, clients=clients))

    with meter.measuring() as cost:
        answer = daybook.app(api_event("/v1/clients"), None)

    assert answer["statusCode"] == 200
    assert cost.calls == Counter(UpdateItem=1, Query=1)
    assert cost.items_read == 21


@pytest.mark.parametrize("others", [0, 200])
def test_what_is_done_with_a_product_costs_the_same_however_many_there_are(
    client: "DynamoDBClient", meter: Meter, others: int
) -> None:
    table = Table(client, TABLE)
    products, stock = DynamoProducts(table, FixedClock()), DynamoStock(table)
    for number in range(others):
        client.put_item(TableName=TABLE, Item=to_image(to_item(keys.product("acc_1", f"{number}"), "product", a_product())))

    with meter.measuring() as adding:
        products.add(a_product())
    with meter.measuring() as getting:
        products.get("acc_1", "85123A")
    with meter.measuring() as saving:
        products.save(a_product(name="Lantern", version=2))
    with meter.measuring() as changing_stock:
        stock.change(a_stock_change())
    with meter.measuring() as removing:
        products.remove(a_product(version=3))
    with meter.measuring() as adding_again:
        assert products.add(a_product()).version == 4

    cost_of = {
        "add": (adding, Counter(GetItem=1, TransactWriteItems=1), 0, 2),
        "get": (getting, Counter(GetItem=1), 1, 0),
        "save": (saving, Counter(TransactWriteItems=1), 0, 1),
        "change stock": (changing_stock, Counter(TransactWriteItems=1), 0, 2),
        "remove": (removing, Counter(TransactWriteItems=1), 0, 2),
        "add again": (adding_again, Counter(GetItem=1, TransactWriteItems=1), 1, 2),
    }
    for name, (cost, calls, items_read, items_written) in cost_of.items():
        assert (cost.calls, cost.items_read, cost.transaction_items) == (calls, items_read, items_written), name


def test_a_page_of_products_or_of_stock_changes_is_one_read_of_one_more_than_it_shows(
    client: "DynamoDBClient", meter: Meter
) -> None:
    table = Table(client, TABLE)
    products, stock = DynamoProducts(table, FixedClock()), DynamoStock(table)
    for number in range(30):
        products.add(a_product(f"{number:02d}"))
        stock.change(a_stock_change(f"stk_{number:02d}", product_id="00", change=1))

    with meter.measuring() as listing:
        first = products.page("acc_1", PageRequest())
    with meter.measuring() as going_on:
        products.page("acc_1", PageRequest(after=first.next))
    with meter.measuring() as listing_changes:
        stock.page("acc_1", "00", PageRequest())
    with meter.measuring() as nothing:
        stock.page("acc_1", "01", PageRequest())

    costs = [(cost.calls, cost.items_read) for cost in (listing, going_on, listing_changes, nothing)]
    assert costs == [(Counter(Query=1), 21), (Counter(Query=1), 10), (Counter(Query=1), 21), (Counter(Query=1), 0)]


@pytest.mark.parametrize("others", [0, 200])
@pytest.mark.parametrize("lines", [1, MAX_PRODUCTS])
def test_what_is_done_for_an_order_costs_the_same_however_many_there_are(
    client: "DynamoDBClient", meter: Meter, lines: int, others: int
) -> None:
    table = Table(client, TABLE)
    orders, reservations = DynamoOrders(table), DynamoReservations(table)
    for number in range(others):
        order = an_order(f"ord_{number:03}")
        client.put_item(TableName=TABLE, Item=to_image(to_item(keys.order("acc_1", order.id), "order", order)))
    products = {f"p{number}": a_product(f"p{number}") for number in range(lines)}
    for product_id, product in products.items():
        client.put_item(TableName=TABLE, Item=to_image(to_item(keys.product("acc_1", product_id), "product", product)))
    order = an_order("ord_x", *((product_id, 1) for product_id in products))
    receipt = Receipt(payment_id="pay_1")

    with meter.measuring() as pricing:
        orders.products("acc_1", products)
    with meter.measuring() as adding:
        orders.add(order)
    with meter.measuring() as getting:
        orders.get("acc_1", "ord_x")
    with meter.measuring() as reserving:
        reservations.make(a_reservation(order), order := noted(order, "ReserveInventory", now=order.created_at))
    with meter.measuring() as finding:
        reservation = reservations.find("acc_1", "ord_x")
    assert reservation is not None
    with meter.measuring() as keeping:
        reservations.keep(reservation, order := paid(order, receipt, now=order.created_at))
    with meter.measuring() as saving:
        orders.save(order := noted(order, "RefundPayment", now=order.created_at))
    with meter.measuring() as releasing:
        ended = noted(order, "ReleaseInventory", now=order.created_at)
        reservations.release(replace(reservation, kept=True), ended, now=order.created_at)
    with meter.measuring() as confirming:
        orders.save(confirmed(ended, now=order.created_at))
    with meter.measuring() as sweeping:
        assert list(reservations.expired(order.created_at + timedelta(days=1))) == []
    with meter.measuring() as listing:
        orders.page("acc_1", OrderFilter(), PageRequest())

    write, read, read_all = Counter(TransactWriteItems=1), Counter(GetItem=1), Counter(BatchGetItem=1)
    cost_of = {
        "the products": (pricing, read_all, lines, 0),
        "add": (adding, write, 0, 1),
        "get": (getting, read, 1, 0),
        "reserve": (reserving, write, 0, 2 * lines + 2),
        "find": (finding, read, 1, 0),
        "keep": (keeping, write, 0, 2),
        "save": (saving, write, 0, 1),
        "release": (releasing, read_all + write, lines, 2 * lines + 2),
        "confirm": (confirming, write, 0, 2),
        "sweep": (sweeping, Counter(Query=1), 0, 0),
        "list": (listing, Counter(Query=1), min(others + 1, 21), 0),
    }
    for name, (cost, calls, items_read, items_written) in cost_of.items():
        assert (cost.calls, cost.items_read, cost.transaction_items) == (calls, items_read, items_written), name


def test_a_sweep_reads_the_reservations_that_ended_and_no_others(client: "DynamoDBClient", meter: Meter) -> None:
    table = Table(client, TABLE)
    orders, reservations = DynamoOrders(table), DynamoReservations(table)
    DynamoProducts(table, FixedClock()).add(a_product(stock=100))
    for number in range(30):
        order = an_order(f"ord_{number:02}")
        orders.add(order)
        ends = order.created_at + timedelta(minutes=15 if number < 3 else 30)
        reservations.make(a_reservation(order, reserved_until=ends), noted(order, "ReserveInventory", now=order.created_at))

    with meter.measuring() as finding:
        found = list(reservations.expired(order.created_at + timedelta(minutes=15)))

    assert (finding.calls, finding.items_read, len(found)) == (Counter(Query=1), 3, 3)


def test_a_request_past_the_limit_is_one_write_at_most_and_further_ones_none(
    client: "DynamoDBClient", meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daybook, "wired", wired_for_costs(client, clients=DynamoClients(Table(client, TABLE))))
    for _ in range(QUOTAS.user_requests):
        daybook.app(api_event("/v1/clients"), None)

    with meter.measuring() as fourth:
        assert daybook.app(api_event("/v1/clients"), None)["statusCode"] == 429
    with meter.measuring() as further:
        assert [daybook.app(api_event("/v1/clients"), None)["statusCode"] for _ in range(50)] == [429] * 50

    assert fourth.calls == Counter(UpdateItem=1)
    assert further.calls == Counter()


def test_an_attempt_to_sign_in_is_one_read_and_one_write_and_a_refused_one_no_write(
    client: "DynamoDBClient", meter: Meter
) -> None:
    wired = wired_for_costs(client)
    counted = {"limits": wired.limits, "quotas": wired.quotas, "clock": wired.clock}

    costs = []
    for _ in range(3):
        with meter.measuring() as cost:
            count_sign_in("198.51.100.7", **counted)
        costs.append(cost.calls)

    assert costs == [Counter(GetItem=1, PutItem=1), Counter(GetItem=1, PutItem=1), Counter(GetItem=1)]


def test_the_health_of_the_application_costs_nothing(
    client: "DynamoDBClient", meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daybook, "wired", SimpleNamespace(quotas=QUOTAS))

    with meter.measuring() as cost:
        assert [daybook.app(api_event(path), None)["statusCode"] for path in ("/health", "/")] == [200, 200]

    assert cost.calls == Counter()
