"""What must hold once everything is pumped dry, whatever went wrong on the way. `README.md` lists the rules."""

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final

from tests.consistency import Broken, check_table
from tests.faults.cloud import Cloud, StoredVersion
from tests.faults.plane import Call, Fault, SentMail
from tests.faults.pump import INDEXER, Item, body_of
from tests.faults.workflows import executions

if TYPE_CHECKING:
    from chalicelib.repositories.full_text import FullTextIndex

Plain = Mapping[str, Any]
_TOLD: Final = {
    ("client", "INSERT"): "ClientCreated",
    ("client", "MODIFY"): "ClientUpdated",
    ("client", "REMOVE"): "ClientDeleted",
    ("work", "INSERT"): "WorkLogged",
    ("work", "MODIFY"): "WorkUpdated",
    ("work", "REMOVE"): "WorkDeleted",
    ("user", "INSERT"): "UserCreated",
    ("user", "MODIFY"): "UserUpdated",
    ("user", "REMOVE"): "UserDeleted",
    ("invoice", "INSERT"): "InvoiceIssued",
    ("product", "INSERT"): "ProductCreated",
    ("product", "MODIFY"): "ProductUpdated",
    ("product", "REMOVE"): "ProductDeleted",
}
_TOLD_OF_ORDERS: Final = {
    "PENDING": "OrderPlaced",
    "CONFIRMED": "OrderConfirmed",
    "FAILED": "OrderFailed",
    "CANCELED": "OrderCanceled",
}
_TOLD_OF_FILES: Final = {
    ("image", "ready"): "ImageReady",
    ("image", "rejected"): "ImageRejected",
    ("import", "completed"): "ImportCompleted",
    ("import", "failed"): "ImportFailed",
}
Told = tuple[str, str, int]
"""A detail-type, an id and a version: nothing else is told under these three."""


def check(cloud: Cloud) -> list[Broken]:
    """All that is wrong in the table, the mail, the documents, on the bus and in the dead-letter queues."""
    items = cloud.items()
    return [
        *check_table(items),
        *check_deliveries(cloud, items),
        *check_events(cloud),
        *check_stock(cloud),
        *check_orders(cloud, items),
        *check_files(cloud, items),
        *(check_index(cloud, items) if cloud.pump.is_read_by(INDEXER) else ()),
        *check_nothing_given_up(cloud),
    ]


# Mail and documents


def check_deliveries(cloud: Cloud, items: Sequence[Item]) -> Iterator[Broken]:
    """At least one mail for each document whose client has an address, with the bytes that are kept."""
    mails: dict[str, list[SentMail]] = defaultdict(list)
    for mail in cloud.plane.mails:
        mails[mail.message["Message-ID"].strip("<>").partition("@")[0]].append(mail)
    documents = cloud.documents()
    kept = {_text(item, "id"): item for item in items if _text(item, "type") in ("invoice", "credit_note")}
    for key, versions in documents.items():
        if len(versions) != 1:
            yield Broken("a PDF's bytes never change", f"{key} was written {len(versions)} times")
        if key.rpartition("/")[2].removesuffix(".pdf") not in kept:
            yield Broken("every PDF has its document", key)
    for document_id, item in kept.items():
        yield from _check_delivery(item, _buyer(item, kept), mails.pop(document_id, []), documents, cloud)
    for message_id, sent in mails.items():
        told = _check_bounce_notice(message_id, sent, kept) if message_id.endswith(".bounce") else "no such document"
        if told:
            yield Broken("every mail has its document", f"{message_id}: {told}")


def _check_delivery(
    item: Item, address: str | None, sent: Sequence[SentMail], documents: Mapping[str, Sequence[bytes]], cloud: Cloud
) -> Iterator[Broken]:
    number, delivery = _text(item, "number"), item["delivery"]["M"]
    stored = documents.get(f"documents/{_text(item, 'account_id')}/{_text(item, 'id')}.pdf", [])
    if not stored:
        yield Broken("every document is printed", number)
    if address is None:
        if sent or delivery["status"]["S"] != "failed":
            yield Broken("without an address nothing is mailed, and it is said so", number)
        return
    yield from _check_count(number, _text(item, "id"), sent)
    for mail in sent:
        attached = [part.get_content() for part in mail.message.iter_attachments()]
        if list(mail.recipients) != [address] or attached != list(stored[:1]) or number not in mail.message["Subject"]:
            yield Broken("the mail brings the document to the client", number)
    if delivery.get("message_id", {}).get("S") not in [mail.message_id for mail in sent]:
        yield Broken("what was mailed is noted", f"{number}: {delivery}")
    bounced = delivery.get("owner_told", {}).get("BOOL", False)
    if delivery["status"]["S"] != ("failed" if bounced else "sent"):
        yield Broken("what was mailed is noted", f"{number} is {delivery['status']['S']}")


def _check_count(number: str, document_id: str, sent: Sequence[SentMail]) -> Iterator[Broken]:
    """One mail, and one more for each fault between the mail service's yes and our note of it.

    A fault that goes on strikes another message about the same document too, if the same invocation hears both; then the
    delivery was claimed again in between.
    """
    if not sent:
        yield Broken("at least one mail for each document", number)
    lost = [mail for mail in sent if not mail.noted]
    if len(sent) - len(lost) > 1:
        yield Broken("two mails only where the note was lost", f"{number} was mailed and noted {len(sent) - len(lost)} times")
    for mail, following in zip_longest(sent, sent[1:]):
        if mail.noted:
            continue
        since = [call for call in mail.call.invocation.calls if call.number >= mail.call.number]
        if following is not None and following.call.invocation is mail.call.invocation:
            since = [call for call in since if call.number < following.call.number]
            if not any(_claims(call, document_id) for call in since):
                yield Broken("two mails only where the note was lost", f"{number}: mailed twice under one claim")
        if not any(call.fault for call in since):
            yield Broken("two mails only where the note was lost", f"{number}: not noted, for no fault")


def _claims(call: Call, document_id: str) -> bool:
    return document_id.encode() in call.wrote and b"claimed_until" in call.wrote


def _check_bounce_notice(message_id: str, sent: Sequence[SentMail], kept: Mapping[str, Item]) -> str | None:
    item = kept.get(message_id.removesuffix(".bounce"))
    if item is None:
        return "no such document"
    told = item["delivery"]["M"].get("owner_told", {}).get("BOOL", False)
    return None if told else "the owner was told, and it is not noted"


def _buyer(item: Item, kept: Mapping[str, Item]) -> str | None:
    invoice = item if _text(item, "type") == "invoice" else kept[_text(item, "invoice_id")]
    email = invoice["buyer"]["M"].get("email")
    return None if email is None else str(email["S"])


# The bus


def check_events(cloud: Cloud) -> Iterator[Broken]:
    """Every change was told, nothing else was, and of each account in order: whoever hears a thing again hears all after it."""
    happened: dict[str, list[Told]] = defaultdict(list)
    for record in cloud.pump.records:
        told = told_of(record)
        if told is not None:
            happened[record["dynamodb"]["Keys"]["pk"]["S"]].append(told)
    heard: dict[str, list[Told]] = defaultdict(list)
    for event in cloud.plane.events:
        detail = event.detail
        heard[detail["account_id"]].append((event.detail_type, detail["id"], detail["version"]))
        if "password_hash" in {**(detail["new"] or {}), **(detail["old"] or {})}:
            yield Broken("no secret is told", f"{event.detail_type} {detail['id']}")
    in_part = any(
        call.fault in (Fault.PARTIAL, Fault.PARTIAL_ON) for call in cloud.plane.struck if call.name == "eventbridge.PutEvents"
    )
    for account_id in happened.keys() | heard.keys():
        expected, got = happened[account_id], heard[account_id]
        for missing in set(expected) - set(got):
            yield Broken("every change is told", f"{missing}")
        for surplus in set(got) - set(expected):
            yield Broken("nothing is told that did not happen", f"{surplus}")
        if set(got) != set(expected):
            continue
        if list(reversed(dict.fromkeys(reversed(got)))) != expected:
            yield Broken("changes are told in order", f"{account_id}: {got}")
        if not in_part and list(dict.fromkeys(got)) != expected:
            yield Broken("changes are told in order", f"{account_id}: at first {got}")


def told_of(record: Item) -> Told | None:
    """What the bus is to hear of a record of the stream; None if nothing."""
    images = record["dynamodb"]
    old, new = images.get("OldImage"), images.get("NewImage")
    last = new or old
    kind = _text(last, "type")
    detail_type: str | None = _TOLD.get((kind, record["eventName"]))
    if kind == "invoice" and record["eventName"] == "MODIFY":
        status = _text(new, "status")
        moved = _text(old, "status") != status
        detail_type = {"paid": "InvoicePaid", "credited": "InvoiceCredited"}.get(status) if moved else None
    elif kind == "order":
        before, after = _as_told(old), _as_told(new)
        unheard_of = old is not None and not before and after == "CANCELED"
        detail_type = _TOLD_OF_ORDERS[after] if after and after != before and not unheard_of else None
    elif kind in {"image", "import"}:
        status = "" if new is None else _text(new, "status")
        moved = old is None or _text(old, "status") != status
        detail_type = _TOLD_OF_FILES.get((kind, status)) if moved else None
    elif detail_type and record["eventName"] == "MODIFY" and old["version"] == new["version"]:
        detail_type = None
    return None if detail_type is None else (detail_type, _text(last, "id"), int(last["version"]["N"]))


def _as_told(order: Item | None) -> str:
    """Its status, but nothing as long as it is held."""
    return "" if order is None or _text(order, "workflow_status") == "held" else _text(order, "status")


# Stock


def check_stock(cloud: Cloud) -> Iterator[Broken]:
    """At no moment was there less than nothing of a product."""
    for record in cloud.pump.records:
        product = record["dynamodb"].get("NewImage", {})
        if _text(product, "type") == "product" and int(product.get("stock", {}).get("N", 0)) < 0:
            yield Broken("a stock is never below nothing", f"{_text(product, 'id')}: {product['stock']}")


# Orders


def check_orders(cloud: Cloud, items: Sequence[Item]) -> Iterator[Broken]:
    """Charged once or not at all, and for nothing never; the stock is what is left; all is over, or a person sees to it."""
    orders = {_text(item, "id"): item for item in of_kind(items, "order")}
    seen_to = _seen_to(cloud)
    yield from _check_executions(cloud, orders)
    yield from _check_payments(cloud, orders, seen_to)
    yield from _check_what_is_left(items, orders)
    yield from _check_news(cloud, orders, seen_to)
    for order_id, order in orders.items():
        over = _text(order, "status") != "PENDING" or _text(order, "workflow_status") == "held"
        if not (over or order_id in seen_to):
            yield Broken("every order ends, or a person sees to it", f"{order_id}: {_text(order, 'workflow_status')}")
        if _text(order, "workflow_status") == "compensation_failed" and order_id not in seen_to:
            yield Broken("what cannot be undone is told to a person", order_id)


def _seen_to(cloud: Cloud) -> set[str]:
    """The orders that a person is asked to see to: by the step that gives up, by the rule on executions, or not even begun."""
    asked = [body_of(message) for message in cloud.pump.kept("orders-attention")]
    begun = {each["detail"]["name"] if "detail-type" in each else each["order_id"] for each in asked}
    return begun | {body_of(message)["detail"]["id"] for message in cloud.pump.kept("orders-dlq")}


def _check_executions(cloud: Cloud, orders: Mapping[str, Item]) -> Iterator[Broken]:
    """None has two, and who is placed has one."""
    started = Counter(json.loads(record["input"])["order_id"] for record in executions())
    dead = {body_of(message)["detail"]["id"] for message in cloud.pump.kept("orders-dlq")}
    for order_id in started.keys() | orders.keys():
        placed = order_id in orders and any(
            told_of(record) == ("OrderPlaced", order_id, int(record["dynamodb"]["NewImage"]["version"]["N"]))
            for record in cloud.pump.records
            if _text(record["dynamodb"].get("NewImage", {}), "id") == order_id
        )
        if started[order_id] > 1:
            yield Broken("no order has two executions", f"{order_id}: {started[order_id]}")
        elif started[order_id] != placed and order_id not in dead:
            yield Broken("every order that is placed has an execution, no other", f"{order_id}: {started[order_id]}")


def _check_payments(cloud: Cloud, orders: Mapping[str, Item], seen_to: Collection[str]) -> Iterator[Broken]:
    """By the processor's books, which it keeps for itself."""
    books = cloud.books()
    for key in books:
        if not any(order_id in key for order_id in orders):
            yield Broken("every payment is of an order", key)
    for order_id, order in orders.items():
        captured = {key: book for key, book in books.items() if order_id in key and "payment_id" in book}
        if len(captured) > 1:
            yield Broken("an order is charged once", f"{order_id}: {sorted(captured)}")
        kept = [book for book in captured.values() if "refunded" not in book]
        status = _text(order, "status")
        if kept and status != "CONFIRMED" and order_id not in seen_to:
            yield Broken("who is charged has what was ordered", f"{order_id} is {status}, and charged")
        if status == "CONFIRMED" and [book["amount"] for book in kept] != [_text(order, "total_amount")]:
            yield Broken("what is confirmed is paid", f"{order_id}: {kept}")
        if (_text(order, "payment_status") == "captured") != bool(kept) and order_id not in seen_to:
            yield Broken("an order says what became of its payment", f"{order_id}: {_text(order, 'payment_status')}, {kept}")


def _check_what_is_left(items: Sequence[Item], orders: Mapping[str, Item]) -> Iterator[Broken]:
    """What was brought, less what was sold, and less what is reserved still for orders that somebody has to see to.

    So say the journals of what orders have taken and given back, too.
    """
    brought: Counter[tuple[str, str]] = Counter()
    journal: Counter[tuple[str, str]] = Counter()
    for change in of_kind(items, "stock_change"):
        noted = journal if "order_id" in change else brought
        noted[_text(change, "account_id"), _text(change, "product_id")] += int(change["change"]["N"])
    gone: Counter[tuple[str, str]] = Counter()
    for order in orders.values():
        if _text(order, "status") == "CONFIRMED":
            for line in order["items"]["L"]:
                gone[_text(order, "account_id"), _text(line["M"], "product_id")] += int(line["M"]["quantity"]["N"])
    for reservation in of_kind(items, "reservation"):
        order = orders[_text(reservation, "order_id")]
        if _text(order, "status") == "PENDING" or _text(order, "workflow_status") == "compensation_failed":
            for product_id, units in reservation["units"]["M"].items():
                gone[_text(order, "account_id"), product_id] += int(units["N"])
    for product in of_kind(items, "product"):
        whose = _text(product, "account_id"), _text(product, "id")
        if "stock" in product and int(product["stock"]["N"]) != brought[whose] - gone[whose]:
            what = f"{whose[1]}: {product['stock']['N']}, of {brought[whose]} less {gone[whose]}"
            yield Broken("the stock is what is left", what)
        if "stock" in product and journal[whose] != -gone[whose]:
            yield Broken("journals say what orders have taken", f"{whose[1]}: {journal[whose]}, of {gone[whose]} that are gone")


def _check_news(cloud: Cloud, orders: Mapping[str, Item], seen_to: Collection[str]) -> Iterator[Broken]:
    """All that a customer was told of an order is one thing, and it is how the order ended."""
    told: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for message in cloud.plane.news:
        told[message["order_id"]].add((message["type"], message["status"]))
    for order_id, news in told.items():
        order = orders.get(order_id, {})
        if len(news) > 1:
            yield Broken("nobody is told what did not happen", f"{order_id}: {sorted(news)}")
        for kind, status in news:
            ended = _text(order, "status")
            if (kind == "order_confirmed") != (status == "CONFIRMED") or (status != ended and order_id not in seen_to):
                yield Broken("nobody is told what did not happen", f"{order_id} is {ended}: {kind}, {status}")


# Files


def check_files(cloud: Cloud, items: Sequence[Item]) -> Iterator[Broken]:
    """Each object belongs to an item, and each item has its objects, now that all was delivered and the night has swept."""
    images, imports = of_kind(items, "image"), of_kind(items, "import")
    stored = cloud.files()
    named = dict(chain(_objects_of_images(images), _objects_of_imports(imports)))
    for key, version_id in named.items():
        versions = [version.version_id for version in stored.get(key, [])]
        if version_id not in versions:
            yield Broken("no item is without its objects", f"{key}: {version_id}, there are {versions}")
        elif version_id != versions[0]:  # in a week it will be gone: the bucket removes what is not the newest
            yield Broken("what an item names is the newest", f"{key}: {version_id} of {versions}")
    for key in stored.keys() - named.keys():
        yield Broken("no object is without its item", key)
    for image in images:
        if _text(image, "status") not in {"ready", "rejected"}:
            yield Broken("every image ends ready or rejected", f"{_text(image, 'id')}: {_text(image, 'status')}")
    for imported in imports:
        yield from _check_import(imported, items, stored)
    yield from _check_endings(cloud, imports)
    yield from _check_deletions(cloud, items)


def _objects_of_images(images: Iterable[Item]) -> Iterator[tuple[str, str]]:
    """Keys and versions of what is shown; of all others nothing is kept."""
    for image in images:
        if _text(image, "status") == "ready":
            place = f"{_text(image, 'account_id')}/{_text(image, 'id')}/{_text(image, 'filename')}"
            yield f"uploads/{place}", _text(image, "made_from")
            for one in image["thumbnails"]["L"]:
                yield f"thumbnails/{_text(one['M'], 'name')}/{place}", _text(one["M"], "version_id")


def _objects_of_imports(imports: Iterable[Item]) -> Iterator[tuple[str, str]]:
    for imported in imports:
        place = f"{_text(imported, 'account_id')}/{_text(imported, 'id')}"
        if "file" in imported:
            yield f"incoming/{place}/{_text(imported, 'filename')}", _text(imported["file"]["M"], "version_id")
        if "report_version" in imported:
            yield f"reports/{place}/rejections.csv", _text(imported, "report_version")


def _check_import(imported: Item, items: Sequence[Item], stored: Mapping[str, Sequence[StoredVersion]]) -> Iterator[Broken]:
    """It ends, and its report has every record that was refused, once."""
    import_id = _text(imported, "id")
    if _text(imported, "status") not in {"completed", "failed"}:
        yield Broken("every import ends", f"{import_id}: {_text(imported, 'status')}")
        return
    refused = [
        rejection["M"]["number"]["N"]
        for part in of_kind(items, "import_rejections")
        if _text(part, "import_id") == import_id
        for rejection in part["rejections"]["L"]
    ]
    (report,) = [content for key, content in stored.items() if key.startswith("reports/") and import_id in key] or [()]
    kept = [version.content for version in report if version.version_id == _text(imported, "report_version")]
    reported = [line["record"] for content in kept for line in csv.DictReader(io.StringIO(content.decode("utf-8-sig")))]
    if sorted(reported, key=int) != sorted(refused, key=int):
        yield Broken("every bad row is reported once", f"{import_id}: {refused}, in the report {reported}")


def _check_endings(cloud: Cloud, imports: Iterable[Item]) -> Iterator[Broken]:
    """Of each it is told once that it is completed, and nothing after that."""
    told: dict[str, list[str]] = defaultdict(list)
    for record in cloud.pump.records:
        detail = told_of(record)
        if detail is not None and detail[0] in {"ImportCompleted", "ImportFailed"}:
            told[detail[1]].append(detail[0])
    for imported in imports:
        endings = told[_text(imported, "id")]
        if "ImportCompleted" in endings[:-1] or not endings:
            yield Broken("an import is completed once", f"{_text(imported, 'id')}: {endings}")


def _check_deletions(cloud: Cloud, items: Sequence[Item]) -> Iterator[Broken]:
    """Nothing goes in of an import that is gone, not even a row that was on its way; and the night has finished with it."""
    gone: set[str] = set()
    for record in cloud.pump.records:
        old, new = (record["dynamodb"].get(image) for image in ("OldImage", "NewImage"))
        if new is None and _text(old, "type") == "import":
            gone.add(_text(old, "id"))
        kind = _text(new or {}, "type")
        if kind != "import_removal" and gone & {_text(new or {}, "import_id"), _text(new or {}, "id")}:
            yield Broken("nothing of an import goes in once it is gone", f"{_text(new, 'sk')}")
    for left in of_kind(items, "import_removal"):
        yield Broken("the night has finished with what is gone", _text(left, "sk"))


# The search index


def check_index(cloud: Cloud, items: Sequence[Item]) -> Iterator[Broken]:
    """Each account's index has what one has that is made anew from the table, and each product is found by its name."""
    with cloud.functions.judging() as app:
        from chalicelib.domain.search import SearchRequest, terms_of
        from chalicelib.repositories.full_text import BrokenIndex, FullTextIndex

        folder = Path(mkdtemp())
        for account in of_kind(items, "account"):
            account_id = _text(account, "id")
            made_anew = folder / f"{account_id}.anew"
            FullTextIndex.build(made_anew, app.wired.searchable.everything(account_id))
            with FullTextIndex.read(made_anew) as index:
                expected = _words(index)
            kept = folder / f"{account_id}.kept"
            kept.write_bytes(content := cloud.index_file(account_id) or b"")
            try:
                with FullTextIndex.read(kept) as index:
                    found = _words(index)
            except BrokenIndex as error:
                if content or expected:
                    yield Broken("the index is what the table says", f"{account_id}: {len(content)} bytes: {error}")
                continue
            if found != expected:
                different = sorted((found - expected) | (expected - found))
                yield Broken("the index is what the table says", f"{account_id}: {different}")
            for product in of_kind(items, "product"):
                asked = SearchRequest(terms=terms_of(_text(product, "name")), type="product", limit=100)
                results = app.wired.search_index.search(account_id, asked)
                ours = _text(product, "account_id") == account_id
                if ours and _text(product, "id") not in [result.id for result in results]:
                    yield Broken("who looks for a product finds it", f"{account_id}: {_text(product, 'name')}")


def _words(index: "FullTextIndex") -> set[tuple[str, ...]]:
    """A version that brought no other words is in the table only."""
    return {(each.type, each.id, each.title, each.text) for each in index.documents()}


# What nobody got


def check_nothing_given_up(cloud: Cloud) -> Iterator[Broken]:
    for queue, messages in cloud.pump.dead_letters().items():
        for message in messages:
            yield Broken("nothing is left in a dead-letter queue", f"{queue}: {message['body']}")
    for event in cloud.pump.lost_events:
        yield Broken("no schedule is lost", f"{event['time']}")


def _text(item: Any, name: str) -> str:
    return str(item.get(name, {}).get("S", ""))


def of_kind(items: Iterable[Item], kind: str) -> list[Item]:
    return [item for item in items if _text(item, "type") == kind]
