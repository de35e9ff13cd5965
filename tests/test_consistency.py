"""The checker of the table finds what is wrong, each kind of it."""

import copy
import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain import orders
from chalicelib.domain.products import MAX_STOCK
from chalicelib.edge import bodies
from tests import consistency
from tests.consistency import Plain, amount_of, check_items, check_table

THUMBNAILS = [{"name": name} for name in ("100x", "200x", "400x", "200x200")]
Books = dict[str, Plain]


def good_books() -> Books:
    """One account with one client, one billed entry, one open one, one credited invoice and its note."""
    return {
        "account": {"pk": "acc", "sk": "account", "type": "account", "id": "acc", "account_id": "acc"},
        "user": of("user", "usr", email="ada@example.com", role="owner"),
        "owners": {"pk": "acc", "sk": "owners", "type": "owners", "account_id": "acc", "users": {"usr"}},
        "sign_in": {
            "pk": f"email#{hashlib.sha256(b'ada@example.com').hexdigest()}",
            "sk": "sign_in",
            "type": "sign_in",
            "account_id": "acc",
            "user_id": "usr",
        },
        "client": of(
            "client",
            "cli",
            has_work=True,
            invoice_day=31,
            due="due",
            due_at="2026-02-27T23:00:00Z",
            next_invoice_on="2026-02-28",
            invoiced_through="2026-01-31",
        ),
        "billed": of("work", "w1", **an_entry("2026-01-05", 6617)),
        "billed place": a_place("w1", "2026-01-05"),
        "open": of("work", "w2", **an_entry("2026-01-06", 1200)),
        "open place": a_place("w2", "2026-01-06"),
        "sheet": {
            **of("sheet", "cli#2026-01", client_id="cli", month="2026-01", entries=2),
            "open": {"w2"},
            "billed": {"inv": {"w1"}},
        },
        "series": {"pk": "acc", "sk": "series#invoice#2026", "type": "series", "account_id": "acc", "last": 2},
        "note series": {"pk": "acc", "sk": "series#credit_note#2026", "type": "series", "account_id": "acc", "last": 1},
        "invoice": an_invoice("inv", "RE-2026-0001"),
        "lines": some_lines("inv", "w1"),
        "credited": {**an_invoice("old", "RE-2026-0002"), "status": "credited", "credit_note_id": "crn"},
        "credited lines": some_lines("old", "w1"),
        "note": of(
            "credit_note",
            "crn",
            number="CN2026-0001",
            issued_on="2026-01-31",
            invoice_id="old",
            net="-174.62",
            vat="-34.92",
            total="-209.54",
        ),
        "outcome": of(
            "outcome",
            "2026-01-31#cli#2026-01-31",
            outcome="issued",
            client_id="cli",
            due_on="2026-01-31",
            invoice_id="inv",
            number="RE-2026-0001",
            currency="EUR",
            total="209.54",
        ),
        "product": of(
            "product", "BANK CHARGES", price="0.6645600532184904", stock=0, version=6, created_at="2026-01-05T09:00:00Z"
        ),
        "not counted": of("product", "a.b", price="1E-7", version=1, created_at="2026-01-05T09:00:00Z"),
        "added long ago": a_stock_change("stk-1", "BANK CHARGES", 9, created_at="2025-01-04T09:00:00Z"),
        "taken long ago": a_stock_change("stk0", "BANK CHARGES", -9, created_at="2025-01-05T09:00:00Z"),
        "added": a_stock_change("stk1", "BANK CHARGES", 5),
        "taken": a_stock_change("stk2", "BANK CHARGES", -2),
        "added to what is gone": a_stock_change("stk4", "gone", 1),
        "taken from what is gone": a_stock_change("stk3", "gone", -1),
        "taken for the paid": a_stock_change("stk5", "BANK CHARGES", -1, user_id=None, order_id="ord1"),
        "taken for the running": a_stock_change("stk6", "BANK CHARGES", -1, user_id=None, order_id="ord2"),
        "taken for the confirmed": a_stock_change("stk7", "BANK CHARGES", -1, user_id=None, order_id="ord4"),
        "gone": {
            "pk": "acc",
            "sk": "product_version#gone",
            "type": "product_version",
            "account_id": "acc",
            "product_id": "gone",
            "version": 2,
            "expires_at": 1_800_000_000,
        },
        "held order": an_order("ord0", "EditOrder", "EditOrder", workflow_status="held"),
        "paid order": an_order("ord1", "ReserveInventory", "ProcessPayment", payment_status="captured"),
        "books": some_books("ord1"),
        "kept": a_reservation("ord1", kept=True, due=None, due_at=None),
        "running order": an_order("ord2", "ReserveInventory"),
        "reserved": a_reservation("ord2"),
        "failed order": an_order("ord3", "OrderFailed", status="FAILED", workflow_status="compensated"),
        "confirmed order": an_order(
            "ord4",
            "OrderConfirmed",
            status="CONFIRMED",
            workflow_status="done",
            payment_status="captured",
            fulfillment_status="shipped",
        ),
        "pending image": of("image", "img1", status="pending", due="images", due_at="2026-01-06T09:00:00Z"),
        "ready image": of("image", "img2", status="ready", width=3, height=2, thumbnails=THUMBNAILS),
        "rejected image": of("image", "img3", status="rejected", reason="the file is empty"),
        "image gone": {
            "pk": "acc",
            "sk": "image_removal#img4",
            "type": "image_removal",
            "account_id": "acc",
            "image_id": "img4",
            "filename": "lantern.jpg",
            "due": "images",
            "due_at": "2026-01-06T09:00:00Z",
        },
        "running import": an_import(
            "imp", "clients", "processing", 3, 1, 2, run=2, due="imports", due_at="2026-01-06T09:00:00Z"
        ),
        "run": of_import("imp", "import_run", run=2),
        "refused": of_import("imp", "import_rejections", rejections=[{"number": 2}, {"number": 6}]),
        "ended import": an_import("imp2", "products", "failed", 0, 0, 0, run=1),
        "mark": of_import("imp2", "import_row") | {"kind": "products", "numbers": [1]},
        "mark of what is gone": of_import("imp3", "import_row") | {"kind": "work", "numbers": [7]},
        "refused of what is gone": of_import("imp3", "import_rejections", rejections=[{"number": 1}]),
        "import gone": of_import(
            "imp3", "import_removal", filename="clients.csv", due="imports", due_at="2026-01-06T09:00:00Z"
        ),
    }


def an_order(order_id: str, *steps: str, **members: Any) -> Plain:
    plain = {
        "currency": "EUR",
        "items": [a_line("a.b", 2, "5.11"), a_line("BANK CHARGES", 1, "2.56"), a_line("a.b", 1, "2.56")],
        "total_amount": "10.23",
        "history": [{"step": step, "outcome": "done"} for step in ("PlaceOrder", *steps)],
        "version": 1 + len(steps),
        "status": "PENDING",
        "workflow_status": "running",
        "payment_status": "not_paid",
        "fulfillment_status": "not_fulfilled",
    } | members
    if plain["workflow_status"] == "running":
        plain |= {"due": "orders", "due_at": "2026-01-05T10:00:00Z"}
    return of("order", order_id, **plain)


def an_import(import_id: str, rows: str, status: str, added: int, unchanged: int, rejected: int, **members: Any) -> Plain:
    counts = {"added_count": added, "unchanged_count": unchanged, "rejected_count": rejected}
    return of("import", import_id, status=status, **counts, **members) | {"kind": rows}


def of_import(import_id: str, kind: str, **members: Any) -> Plain:
    return {"pk": "acc", "sk": f"{kind}#{import_id}", "type": kind, "account_id": "acc", "import_id": import_id, **members}


def a_line(product_id: str, quantity: int, amount: str) -> Plain:
    return {"product_id": product_id, "quantity": quantity, "unit_price": "2.555", "amount": amount}


def some_books(order_id: str) -> Plain:
    key = {"pk": "acc", "sk": f"books#{order_id}#ProcessPayment", "type": "books", "account_id": "acc", "order_id": order_id}
    return {**key, "payment_id": "sandbox_1", "amount": "17.55"}


def a_reservation(order_id: str, **members: Any) -> Plain:
    key = {"pk": "acc", "sk": f"reservation#{order_id}", "type": "reservation", "account_id": "acc", "order_id": order_id}
    ends = {"kept": False, "reserved_until": "2026-01-05T09:15:00Z", "due": "reservations", "due_at": "2026-01-05T09:15:00Z"}
    plain = {**key, "units": {"BANK CHARGES": 1}, **ends, **members}
    return {name: value for name, value in plain.items() if value is not None}


def a_stock_change(change_id: str, product_id: str, change: int, **members: Any) -> Plain:
    plain = {"product_id": product_id, "change": change, "user_id": "usr", "created_at": "2026-01-05T09:00:00Z", **members}
    said = {name: value for name, value in plain.items() if value is not None}
    return {**of("stock_change", change_id, **said), "sk": f"stock#{product_id}#{change_id}"}


def of(kind: str, item_id: str, **members: Any) -> Plain:
    return {"pk": "acc", "sk": f"{kind}#{item_id}", "type": kind, "account_id": "acc", "id": item_id, **members}


def an_entry(day: str, seconds: int) -> Plain:
    return {"client_id": "cli", "user_id": "usr", "day": day, "duration_seconds": seconds, "billable": True}


def a_place(entry_id: str, day: str) -> Plain:
    shown = {"client_id": "cli", "user_id": "usr", "billable": True, "month": day[:7], "entry_id": entry_id}
    return {"pk": "acc", "sk": f"workday#{day}#-#{entry_id}", "type": "workday", "account_id": "acc", **shown}


def an_invoice(invoice_id: str, number: str) -> Plain:
    return of(
        "invoice",
        invoice_id,
        number=number,
        client_id="cli",
        currency="EUR",
        issued_on="2026-01-31",
        period_from="2026-01-01",
        period_through="2026-01-31",
        line_count=1,
        duration_seconds=6617,
        net="174.62",
        vat="34.92",
        total="209.54",
        vat_groups=[{"rate": "20", "net": "174.62", "vat": "34.92"}],
        payments=[],
        status="issued",
    )


def some_lines(invoice_id: str, entry_id: str) -> Plain:
    line = {"entry_id": entry_id, "day": "2026-01-05", "duration_seconds": 6617, "rate": "95", "tax_rate": "20"}
    key = {"pk": "acc", "sk": f"lines#{invoice_id}#0000", "type": "lines", "account_id": "acc"}
    return {**key, "invoice_id": invoice_id, "lines": [{**line, "amount": "174.62"}]}


def without(*names: str) -> Callable[[Books], None]:
    def spoil(books: Books) -> None:
        for name in names:
            del books[name]

    return spoil


def having(name: str, **members: Any) -> Callable[[Books], None]:
    """None takes the member away."""

    def spoil(books: Books) -> None:
        books[name] |= members
        books[name] = {member: value for member, value in books[name].items() if value is not None}

    return spoil


def with_line(**members: Any) -> Callable[[Books], None]:
    return lambda books: books["lines"]["lines"][0].update(members)


def paid(amount: str, status: str) -> Callable[[Books], None]:
    return having("invoice", payments=[{"amount": amount}], status=status)


def billed_twice(books: Books) -> None:
    books["again"] = an_invoice("again", "RE-2026-0003")
    books["again lines"] = some_lines("again", "w1")
    books["series"]["last"] = 3


def settled_twice(books: Books) -> None:
    books["second night"] = {**books["outcome"], "sk": "outcome#2026-02-01#cli#2026-01-31"}


def given_back_to_another(books: Books) -> None:
    """The one of today; it was taken from the one of last year."""
    taken = a_stock_change("stk8", "BANK CHARGES", -1, user_id=None, order_id="ord3", created_at="2025-01-06T09:00:00Z")
    books["taken then"] = taken
    books["given back now"] = {**taken, "id": "stk9", "sk": "stock#BANK CHARGES#stk9", "change": 1} | {
        "created_at": "2026-01-05T09:00:01Z"
    }
    books["product"]["version"] += 1


SPOILT: list[tuple[str, Callable[[Books], None]]] = [
    ("every item has a kind", having("sheet", type="sheets")),
    ("an item lies under its account", having("open", pk="another")),
    ("an account is one item", without("account")),
    ("an account has a user", without("user", "sign_in")),
    ("every user can sign in, and nobody else", without("sign_in")),
    ("every user can sign in, and nobody else", having("user", email="eve@example.com")),
    ("an account knows its owners, and has one", without("owners")),
    ("an account knows its owners, and has one", having("owners", users={"usr", "gone"})),
    ("an account knows its owners, and has one", having("user", role="member")),
    ("an account knows its owners, and has one", without("user", "sign_in", "owners")),
    ("a timer has its user", lambda books: books.update(timer=of("timer", "nobody", user_id="nobody"))),
    ("each entry has one place in the list of days", without("open place")),
    ("each entry has one place in the list of days", lambda books: books.update(third=a_place("w2", "2026-01-07"))),
    ("each entry has one place in the list of days", without("open")),
    ("a place says what the entry says", having("open", day="2026-01-09")),
    ("a place says what the entry says", having("open place", billable=False)),
    ("an entry's client is there and knows that it has work", having("client", has_work=False)),
    ("who logged hours has a calendar", having("open", started_at="2026-01-06T08:00:00Z")),
    ("a sheet counts its entries", having("sheet", entries=3)),
    ("what is billed has its invoice", having("sheet", billed={"inv": {"w1"}, "lost": set()})),
    ("sheets and entries agree", having("sheet", open={"w2", "w9"}, entries=3)),
    ("sheets and entries agree", having("sheet", open={"w1", "w2"}, entries=3)),
    ("sheets and entries agree", having("sheet", open=None, entries=1)),
    ("who is due is on the index, and nobody else", having("client", due=None)),
    ("who has an invoice day is waiting for it", having("client", due=None, due_at=None, next_invoice_on=None)),
    ("who has an invoice day is waiting for it", having("client", invoice_day=None)),
    ("the next invoice day is still to come", having("client", invoiced_through="2026-02-28")),
    ("lines have an invoice", lambda books: books.update(more=some_lines("lost", "w1"))),
    ("a line's amount is right to the cent", with_line(amount="174.61")),
    ("an invoice's period holds its lines", having("invoice", period_from="2026-01-06")),
    ("a line is its entry as it was billed", having("billed", duration_seconds=6616)),
    ("a line is its entry as it was billed", having("billed", billable=False)),
    ("sheets and invoice agree", having("sheet", billed={}, open={"w1", "w2"})),
    ("totals are right to the cent", having("invoice", vat="34.93", total="209.55")),
    ("totals are right to the cent", having("invoice", vat_groups=[])),
    ("an invoice has all its lines", having("invoice", line_count=2)),
    ("reverse charge is without VAT", having("invoice", reverse_charge=True)),
    ("paid is what was paid", paid("209.55", "paid")),
    ("paid is what was paid", paid("209.53", "paid")),
    ("paid is what was paid", paid("209.54", "issued")),
    ("every entry is billed once", billed_twice),
    ("a number is of the year of its day", having("invoice", issued_on="2027-01-01")),
    ("numbers without gap or repeat", having("invoice", number="RE-2026-0003")),
    ("numbers without gap or repeat", having("invoice", number="RE-2026-0002")),
    ("numbers without gap or repeat", having("series", last=3)),
    ("who is credited has a credit note", having("invoice", status="credited")),
    ("credit notes and invoices name each other", having("note", invoice_id="inv")),
    ("a credit note takes back the whole", having("note", total="-209.53")),
    ("the report agrees with the invoices", having("outcome", total="209.53")),
    ("a due day is settled once", settled_twice),
    ("a change of stock lies under its product", having("taken", product_id="a.b")),
    ("a change of stock lies under its product", having("taken", id="stk9")),
    ("an item lies under its account", having("taken", account_id="other")),
    ("an item lies under its account", having("gone", account_id="other")),
    ("a change of stock adds or takes something", having("taken", change=0)),
    ("a change of stock adds or takes something", having("added", change=1_000_000_001)),
    ("a product lies under its id", having("product", id="BANK")),
    ("a stock is never below nothing", having("product", stock=-1)),
    ("a stock is never below nothing", having("product", stock=1_000_000_001)),
    ("a price is an amount", having("product", price="-0.01")),
    ("a price is an amount", having("product", price="NaN")),
    ("every change of stock moved its product's version", having("product", version=5)),
    ("every change of stock moved its product's version", having("product", created_at="2025-01-01T00:00:00Z")),
    ("a product is there or gone, not both", having("gone", product_id="a.b", sk="product_version#a.b")),
    ("what is left of a product is its version, for a while", having("gone", sk="product_version#a.b")),
    ("what is left of a product is its version, for a while", having("gone", version=0)),
    ("what is left of a product is its version, for a while", having("gone", expires_at=None)),
    ("an image lies under its id", having("ready image", sk="image#img9")),
    ("an image has thumbnails if it is ready", having("ready image", thumbnails=THUMBNAILS[1:])),
    ("an image has thumbnails if it is ready", having("ready image", width=None)),
    ("an image has thumbnails if it is ready", having("rejected image", thumbnails=THUMBNAILS)),
    ("an image has a reason if it is rejected", having("rejected image", reason=None)),
    ("an image has a reason if it is rejected", having("pending image", reason="the file is empty")),
    ("the night looks after an image that nothing has become of", having("pending image", due=None, due_at=None)),
    ("the night looks after an image that nothing has become of", having("ready image", due_at="2026-01-06T09:00:00Z")),
    ("an image is there or gone, not both", having("image gone", image_id="img2", sk="image_removal#img2")),
    ("what is left of an image is seen to by the night", having("image gone", sk="image_removal#img9")),
    ("what is left of an image is seen to by the night", having("image gone", due=None)),
    ("an order lies under its id", having("paid order", sk="order#ord9")),
    ("an order's amounts are right to the cent", lambda books: books["paid order"]["items"][1].update(amount="2.55")),
    ("an order's total is that of its lines", having("paid order", total_amount="10.22")),
    ("each step of an order is done once", having("held order", history=[])),
    (
        "each step of an order is done once",
        lambda books: books.update(twice=an_order("ord9", "RefundPayment", "RefundPayment")),
    ),
    ("an order tells of its last edits only", lambda books: books.update(edited=an_order("ord9", *["EditOrder"] * 11))),
    ("each step of an order moved its version", having("paid order", version=2)),
    ("an order's statuses go together", having("failed order", workflow_status="running")),
    ("an order's statuses go together", having("running order", status="CANCELED")),
    ("an order's statuses go together", having("confirmed order", workflow_status="compensated")),
    ("what is confirmed is paid and shipped", having("confirmed order", payment_status="refunded")),
    ("what is confirmed is paid and shipped", having("confirmed order", fulfillment_status="not_fulfilled")),
    ("what was undone is neither paid nor shipped", having("failed order", payment_status="captured")),
    ("what was undone is neither paid nor shipped", having("failed order", fulfillment_status="shipped")),
    ("what was undone is neither paid nor shipped", having("held order", payment_status="captured")),
    ("a reservation has its order", without("running order")),
    ("a reservation has its order", having("reserved", sk="reservation#ord9")),
    ("a reservation is of what was ordered", having("reserved", units={"a.b": 2})),
    ("a reservation is of what was ordered", having("reserved", units={"another": 1})),
    ("only an order that goes on has a reservation", having("running order", status="FAILED", workflow_status="compensated")),
    ("only an order that goes on has a reservation", having("running order", workflow_status="held")),
    ("only an order that goes on has a reservation", lambda books: books.update(sold=a_reservation("ord4"))),
    ("what is kept was paid", having("reserved", kept=True, due=None, due_at=None)),
    ("a reservation ends unless it is kept", having("reserved", due=None, due_at=None)),
    ("a reservation ends unless it is kept", having("reserved", due_at="2026-01-05T09:16:00Z")),
    ("a reservation ends unless it is kept", having("kept", due="reservations", due_at="2026-01-05T09:15:00Z")),
    ("no reservation is swept away without being released", having("reserved", expires_at=1_800_000_000)),
    ("every record that was refused is told once", having("running import", rejected_count=3)),
    ("every record that was refused is told once", having("refused", rejections=[{"number": 2}, {"number": 2}])),
    ("every record that was refused is told once", without("refused")),
    ("every record counts", having("running import", added_count=2)),
    ("an import that has ended is looked after no more", having("running import", status="completed")),
    ("an import that has ended is looked after no more", having("ended import", due="imports", due_at="2026-01-06T09:00:00Z")),
    ("an import that has ended is looked after no more", having("running import", due=None, due_at=None)),
    ("one run of an import may write", having("run", run=1)),
    ("one run of an import may write", without("run")),
    ("what belongs to an import has one", without("running import")),
    ("what belongs to an import has one", without("import gone")),
    ("what belongs to an import has one", having("run", import_id="imp3", sk="import_run#imp3")),
    ("an import is there or gone, not both", having("import gone", import_id="imp2", sk="import_removal#imp2")),
    ("what is left of an import is seen to by the night", having("import gone", sk="import_removal#imp9")),
    ("what is left of an import is seen to by the night", having("import gone", due=None)),
    ("a row is marked by the import that brought it", having("ended import", dry_run=True)),
    ("a row is marked by the import that brought it", having("mark", kind="work")),
    ("a row is marked by the import that brought it", having("mark of what is gone", numbers=[])),
    ("what is paid is kept", without("kept")),
    ("a processor's books are of an order", having("books", order_id="ord9")),
    ("a processor's books are of an order", lambda books: books.update(more=some_books("ord9"))),
    ("a processor's books never expire", having("books", expires_at=1)),
    ("what is paid is kept", having("running order", payment_status="captured")),
    ("what may be on its way is not in stock", having("running order", shipping_begun=True)),
    ("an order is found until nothing is left to be done", having("running order", due=None)),
    ("an order is found until nothing is left to be done", having("running order", due_at=None)),
    (
        "an order is found until nothing is left to be done",
        having("held order", due="orders", due_at="2026-01-05T10:00:00Z"),
    ),
    ("a change of stock is by a user or for an order", having("taken", order_id="ord1")),
    ("a change of stock is by a user or for an order", having("taken", user_id=None)),
    ("the journal adds up to the stock", having("product", stock=1)),
    ("the journal adds up to the stock", having("not counted", stock=1)),
    ("the journal adds up to the stock", without("taken long ago")),
    ("the journal adds up to the stock", without("taken from what is gone")),
    ("the journal adds up to the stock", without("taken for the running")),
    ("an order gives back no more than it has taken", having("taken for the running", change=1)),
    ("an order gives back no more than it has taken", having("taken for the confirmed", change=-2)),
    ("an order gives back no more than it has taken", having("taken for the paid", order_id="ord9")),
    ("what is reserved was taken", without("taken for the running")),
    ("what is reserved was taken", having("reserved", units={})),
    ("units go back to the very product that they were taken from", given_back_to_another),
    (
        "what is sold was taken",
        lambda books: books.update(back=a_stock_change("stk8", "BANK CHARGES", 1, user_id=None, order_id="ord4")),
    ),
]


def test_books_that_fit_together_are_not_complained_of() -> None:
    assert check_items(good_books().values()) == []


@pytest.mark.parametrize(("rule", "spoil"), SPOILT, ids=[f"{number}: {rule}" for number, (rule, _) in enumerate(SPOILT)])
def test_books_that_do_not_fit_break_a_rule(rule: str, spoil: Callable[[Books], None]) -> None:
    books = copy.deepcopy(good_books())
    spoil(books)
    assert rule in {broken.rule for broken in check_items(books.values())}


def test_items_are_read_as_the_table_gives_them() -> None:
    account = {"pk": {"S": "acc"}, "sk": {"S": "account"}, "type": {"S": "account"}, "id": {"S": "acc"}, "open": {"SS": ["x"]}}
    assert {broken.rule for broken in check_table([account])} == {
        "an account has a user",
        "an account knows its owners, and has one",
    }


@pytest.mark.parametrize(
    ("seconds", "rate", "currency", "amount"),
    [
        (6617, "95", "EUR", "174.62"),
        (1200, "85", "EUR", "28.33"),
        (3600, "1127", "JPY", "1127"),
        (10_800, "1.2345", "KWD", "3.704"),
    ],
)
def test_amounts_are_reckoned_half_up_in_the_currencys_decimals(seconds: int, rate: str, currency: str, amount: str) -> None:
    assert amount_of(seconds, rate, currency) == Decimal(amount)


def test_the_edge_the_domain_and_the_checker_count_stock_to_the_same_bound() -> None:
    assert bodies.MAX_STOCK == consistency._MAX_STOCK == MAX_STOCK


def test_the_edge_and_the_domain_take_as_many_lines_and_products_of_an_order() -> None:
    assert bodies.MAX_LINES == orders.MAX_LINES
    assert f"at most {orders.MAX_PRODUCTS} different products" in (bodies.EditedOrder.__doc__ or "")


def test_the_edge_and_the_domain_take_as_many_units_in_a_line() -> None:
    assert bodies.MAX_QUANTITY == orders.MAX_QUANTITY


def test_the_domain_and_the_checker_tell_as_many_edits() -> None:
    assert consistency._MAX_EDITS == orders.MAX_EDITS_TOLD
