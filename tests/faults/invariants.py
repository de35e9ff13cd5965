"""What must hold once everything is pumped dry, whatever went wrong on the way. `README.md` lists the rules."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final

from tests.consistency import Broken, check_table
from tests.faults.cloud import Cloud
from tests.faults.plane import Call, Fault, SentMail
from tests.faults.pump import INDEXER, Item

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
    elif detail_type and record["eventName"] == "MODIFY" and old["version"] == new["version"]:
        detail_type = None
    return None if detail_type is None else (detail_type, _text(last, "id"), int(last["version"]["N"]))


# Stock


def check_stock(cloud: Cloud) -> Iterator[Broken]:
    """At no moment was there less than nothing of a product."""
    for record in cloud.pump.records:
        product = record["dynamodb"].get("NewImage", {})
        if _text(product, "type") == "product" and int(product.get("stock", {}).get("N", 0)) < 0:
            yield Broken("a stock is never below nothing", f"{_text(product, 'id')}: {product['stock']}")


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
