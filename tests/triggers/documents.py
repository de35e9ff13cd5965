"""Events as AWS hands them to the functions, from the documents beside this file."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from chalicelib.domain.accounts import Account
from chalicelib.domain.clients import Client
from chalicelib.domain.invoices import CreditNote, Invoice
from chalicelib.domain.products import Product
from chalicelib.domain.users import User
from chalicelib.domain.work import WorkEntry
from chalicelib.repositories import keys
from chalicelib.repositories.items import to_image, to_item

FOLDER = Path(__file__).parent / "events"
FIRST_SEQUENCE_NUMBER = 4421584500000000017450439091
Document = dict[str, Any]
Told = Account | User | Client | WorkEntry | Invoice | CreditNote | Product


def document(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def sqs(*bodies: object) -> Document:
    """One message for each body, with the ids `message-0`, `message-1` ...; what is no text is sent as JSON."""
    records = [
        document("sqs") | {"messageId": f"message-{place}", "body": body if isinstance(body, str) else json.dumps(body)}
        for place, body in enumerate(bodies)
    ]
    return {"Records": records}


def stream(*records: Document) -> Document:
    """The records in order, numbered as `sequence_number` says."""
    for place, record in enumerate(records):
        record["dynamodb"]["SequenceNumber"] = sequence_number(place)
    return {"Records": list(records)}


def sequence_number(place: int) -> str:
    return str(FIRST_SEQUENCE_NUMBER + place)


def change(old: Told | None, new: Told | None) -> Document:
    """The record that the table writes when one thing becomes another."""
    name = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
    return record(name, None if old is None else _image(old), None if new is None else _image(new))


def record(name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Document:
    last = new or old or {}
    whole: Document = document("stream") | {"eventName": name}
    images = {side: dict(image) for side, image in (("OldImage", old), ("NewImage", new)) if image is not None}
    about = {name: value for name, value in whole["dynamodb"].items() if name != "NewImage"}
    return whole | {"dynamodb": about | {"Keys": {name: last[name] for name in ("pk", "sk")}} | images}


def _image(thing: Told) -> Mapping[str, Any]:
    match thing:
        case Account():
            return to_image(to_item(keys.account(thing.id), "account", thing, account_id=thing.id))
        case User():
            return to_image(to_item(keys.user(thing.account_id, thing.id), "user", thing))
        case Client():
            return to_image(to_item(keys.client(thing.account_id, thing.id), "client", thing))
        case WorkEntry():
            return to_image(to_item(keys.work(thing.account_id, thing.id), "work", thing))
        case Invoice():
            return to_image(to_item(keys.invoice(thing.account_id, thing.id), "invoice", thing))
        case Product():
            return to_image(to_item(keys.product(thing.account_id, thing.id), "product", thing))
        case CreditNote():
            return to_image(to_item(keys.credit_note(thing.account_id, thing.id), "credit_note", thing))


def issued_event(account_id: str, invoice_id: str) -> Document:
    event: Document = document("invoice-issued")
    event["detail"] |= {"account_id": account_id, "id": invoice_id}
    return event


def credited_event(account_id: str, invoice_id: str, note_id: str) -> Document:
    event: Document = document("invoice-credited")
    event["detail"] |= {"account_id": account_id, "id": invoice_id}
    event["detail"]["new"] |= {"account_id": account_id, "id": invoice_id, "credit_note_id": note_id}
    return event


def bounced_event(account_id: str, document_id: str, message_id: str = "mail-1", bounce_type: str = "Permanent") -> Document:
    event: Document = document("email-bounced")
    event["detail"]["bounce"]["bounceType"] = bounce_type
    event["detail"]["mail"]["messageId"] = message_id
    event["detail"]["mail"]["tags"] |= {"account": [account_id], "document": [document_id]}
    return event


def rejected_event(account_id: str, document_id: str) -> Document:
    event: Document = document("email-rejected")
    event["detail"]["mail"]["tags"] = {"account": [account_id], "document": [document_id]}
    return event


A_WHILE = SimpleNamespace(get_remaining_time_in_millis=lambda: 300_000, function_name="daybook-test-Tidy", aws_request_id="1")
"""The context of a function that has just begun."""


def scheduled(time: str) -> Document:
    return {**document("scheduled"), "time": time}


def failed(*identifiers: str) -> Document:
    """What a function answers if these come again."""
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in identifiers]}
