"""The whole of Daybook before your eyes: a freelancer's month, from a logged hour to the invoice in the client's inbox.

Starts the local AWS, packages and deploys the application into it, and then does as a user and a client would, from outside:
signs up, logs a real month of work, lets the night come, and waits for the mail. Run again, it finds all of it still there.
"""

import argparse
import csv
import email
import email.policy
import json
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import boto3
import requests

from operations.catalogue import AT_ONCE, put_products, read_products, refused
from operations.deploy import Account, Deployment, DeploymentFailed, deploy
from operations.local_aws import LocalAws, LocalAwsFailed, running
from operations.package import PackagingFailed, package
from operations.project import ROOT

MONTH: Final = ROOT / "examples" / "work-2024-10.csv"
PRODUCTS: Final = ROOT / "examples" / "products-2010-12.csv"
HOURS: Final = ROOT / "examples" / "toggl-2024-02.csv"
PHOTO: Final = ROOT / "examples" / "lantern.jpg"
TOGGL: Final = {
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
"""Our fields by the headings of Toggl Track's export."""
LANTERN: Final = "71053"
"""What is on the photo."""
FILE_SECONDS: Final = 60
WANTED: Final = ("heart holder", "lantern", "cream hang")
"""What a customer asks the shopkeeper for."""
FOUND_SECONDS: Final = 60
ORDER_SECONDS: Final = 60
SHIPPING_ADDRESS: Final = {
    "name": "Charles Babbage",
    "street": "Dorset Street 1",
    "city": "London",
    "postal_code": "W1U 4EE",
    "country": "GB",
}
EMAIL: Final = "mara@example.com"
PASSWORD: Final = "a month of good work"
ZONE: Final = "Europe/Vienna"
TIMEOUT_SECONDS: Final = 30
DELIVERY_SECONDS: Final = 60
PROFILE: Final = {
    "legal_name": "Mara Lindström Software",
    "address": "Lindengasse 7/12\n1070 Wien",
    "country": "AT",
    "vat_id": "ATU12345678",
    "iban": "AT61 1904 3002 3457 3201",
    "bic": "BKAUATWW",
    "email": EMAIL,
    "currency": "EUR",
    "time_zone": ZONE,
    "default_tax_rate": 20,
    "payment_terms_days": 14,
    "invoice_prefix": "ML-",
}
CLIENT: Final = {
    "name": "Müller & Söhne GmbH",
    "email": "buchhaltung@mueller.example",
    "address": "Hauptstraße 1\n4020 Linz",
    "country": "AT",
    "vat_id": "ATU87654321",
    "rate": 95,
    "currency": "EUR",
}


class DemoFailed(Exception):
    """What went wrong, in words for the person at the terminal."""


class Api:
    """The application from outside."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = requests.Session()

    def ask(self, method: str, path: str, body: object = None, *, accept: tuple[int, ...] = ()) -> tuple[int, Any]:
        """Status and JSON of the answer. Raises: DemoFailed for a refusal that is not in `accept`."""
        answer = self.send(method, path, body)
        if not answer.ok and answer.status_code not in accept:
            raise DemoFailed(f"{method} {path} answered {answer.status_code}: {answer.text}")
        return answer.status_code, answer.headers["Location"] if answer.is_redirect else answer.json()

    def send(self, method: str, path: str, body: object = None) -> requests.Response:
        return self._http.request(method, self.url + path, json=body, timeout=TIMEOUT_SECONDS, allow_redirects=False)

    def sign_in(self, token: str) -> None:
        self._http.headers["Authorization"] = f"Bearer {token}"


def say(what: str = "") -> None:
    print(what, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Says what is being done, and how long it took."""
    print(f"  {what:.<66} ", end="", flush=True)
    begun = time.monotonic()
    yield
    print(f"{time.monotonic() - begun:5.1f} s", flush=True)


def sign_up(api: Api) -> None:
    sign_up_form = {
        "name": PROFILE["legal_name"],
        "email": EMAIL,
        "password": PASSWORD,
        "currency": "EUR",
        "time_zone": ZONE,
        "country": "AT",
    }
    status, answer = api.ask("POST", "/v1/accounts", sign_up_form, accept=(409,))
    if status == requests.codes.conflict:
        _, answer = api.ask("POST", "/v1/tokens", {"email": EMAIL, "password": PASSWORD})
    api.sign_in(answer["access_token"])
    api.ask("PUT", "/v1/account", PROFILE)


def client_of_the_demo(api: Api) -> dict[str, Any]:
    """The client from an earlier run, or a new one whose invoice day is today, so that tonight is the night."""
    _, listed = api.ask("GET", "/v1/clients?limit=100")
    known = [client for client in listed["clients"] if client["name"] == CLIENT["name"]]
    if known:
        found: dict[str, Any] = known[0]
        return found
    today = datetime.now(ZoneInfo(ZONE))
    added: dict[str, Any]
    _, added = api.ask("POST", "/v1/clients", {**CLIENT, "invoice_day": today.day})
    return added


def log_month(api: Api, client_id: str) -> int:
    """Logs the month, moved by whole weeks so that it ends now; how many entries, none if an earlier run has done it."""
    _, logged = api.ask("GET", f"/v1/work?client_id={client_id}&limit=1")
    if logged["work"]:
        return 0
    with MONTH.open(newline="", encoding="utf-8") as rows:
        month = list(csv.DictReader(rows))
    ended = max(datetime.fromisoformat(row["ended_at"]) for row in month)
    shift = timedelta(weeks=(datetime.now(UTC) - ended) // timedelta(weeks=1))
    for row in month:
        times = {name: (datetime.fromisoformat(row[name]) + shift).isoformat() for name in ("started_at", "ended_at")}
        api.ask("POST", "/v1/work", {"client_id": client_id, "description": row["description"], **times})
    return len(month)


def let_the_night_come(aws: LocalAws, deployment: Deployment) -> None:
    """Invokes the nightly function with the event that the schedule sends it at 02:00 UTC."""
    session = boto3.Session(botocore_session=aws.session())
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "account": aws.account,
        "source": "aws.events",
        "detail-type": "Scheduled Event",
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": aws.region,
        "resources": [],
        "detail": {},
    }
    stack = session.client("cloudformation", endpoint_url=aws.endpoint)
    nightly = stack.describe_stack_resource(StackName=deployment.stack, LogicalResourceId="Nightly")
    answer = session.client("lambda", endpoint_url=aws.endpoint).invoke(
        FunctionName=nightly["StackResourceDetail"]["PhysicalResourceId"], Payload=json.dumps(event)
    )
    if "FunctionError" in answer:
        raise DemoFailed(f"The nightly function failed: {answer['Payload'].read().decode()}")


def wait_for_delivery(api: Api) -> dict[str, Any]:
    """The newest invoice once its mail is sent."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while time.monotonic() < deadline:
        _, listed = api.ask("GET", "/v1/invoices?limit=1")
        invoice: dict[str, Any]
        for invoice in listed["invoices"]:
            if invoice["delivery"]["status"] == "sent":
                return invoice
        time.sleep(0.3)
    raise DemoFailed(f"No invoice was delivered within {DELIVERY_SECONDS} s.")


def save_pdf(api: Api, invoice: dict[str, Any], folder: Path) -> Path:
    _, link = api.ask("GET", f"/v1/invoices/{invoice['id']}/pdf")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{invoice['number']}.pdf"
    answer = requests.get(link, timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()
    path.write_bytes(answer.content)
    return path


def mail_with(number: str, folder: Path) -> EmailMessage:
    for path in sorted(folder.glob("*.eml"), reverse=True):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        if number in str(message["Subject"]):
            return message
    raise DemoFailed(f"No mail with the invoice {number} is in {folder}.")


def show_mail(message: EmailMessage) -> None:
    say()
    for header in ("From", "Reply-To", "To", "Subject"):
        say(f"    | {header}: {message[header]}")
    body = message.get_body(("plain",))
    for line in (body.get_content() if body else "").rstrip().splitlines():
        say(f"    | {line}")
    for attachment in message.iter_attachments():
        say(f"    | [{attachment.get_filename()}, {len(attachment.get_content())} bytes]")
    say()


def show_invoice(invoice: dict[str, Any]) -> None:
    hours, rest = divmod(invoice["duration_seconds"], 3600)
    say(
        f"  Invoice {invoice['number']} of {invoice['issued_on']}: {hours}:{rest // 60:02}:{rest % 60:02} hours, "
        f"{invoice['net']:.2f} + {invoice['vat']:.2f} VAT = {invoice['total']:.2f} {invoice['currency']}, "
        f"due on {invoice['due_on']}"
    )


def fill_catalogue(api: Api, file: Path) -> dict[str, str]:
    """Puts the products of the file, and waits until they can be found; why, by stock code, of those that were refused."""
    products = read_products(file)
    refusals = refused(put_products(products, api.send).items())
    for code in [code for code in products if code not in refusals][-AT_ONCE:]:
        wait_until_found(api, code)
    return refusals


def wait_until_found(api: Api, code: str) -> None:
    deadline = time.monotonic() + FOUND_SECONDS
    while time.monotonic() < deadline:
        _, found = api.ask("GET", f"/v1/search?{urlencode({'q': code, 'type': 'product'})}")
        if code in {result["id"] for result in found["results"]}:
            return
        time.sleep(0.2)
    raise DemoFailed(f"{code} was not found within {FOUND_SECONDS} s.")


def show_search(api: Api, typed: str) -> None:
    _, found = api.ask("GET", f"/v1/search?{urlencode({'q': typed, 'limit': 5})}")
    say(f"    {typed!r} finds")
    for result in found["results"]:
        say(f"      {result['score']:7.3f}  {result['type']:<8} {result['id']:<10} {result['title']}")


def upload(form: dict[str, Any], file: Path) -> None:
    with file.open("rb") as content:
        answer = requests.post(form["url"], data=form["fields"], files={"file": content}, timeout=TIMEOUT_SECONDS)
    if not answer.ok:
        raise DemoFailed(f"{file.name} could not be uploaded: {answer.status_code} {answer.text}")


def wait_for_file(api: Api, path: str, ends: tuple[str, ...]) -> dict[str, Any]:
    """What became of an upload."""
    deadline = time.monotonic() + FILE_SECONDS
    while time.monotonic() < deadline:
        _, found = api.ask("GET", path)
        if found["status"] in ends:
            ended: dict[str, Any] = found
            return ended
        time.sleep(0.3)
    raise DemoFailed(f"{path} was not worked off within {FILE_SECONDS} s.")


def import_hours(api: Api) -> dict[str, Any]:
    body = {"kind": "work", "filename": HOURS.name, "content_type": "text/csv", "columns": TOGGL}
    _, opened = api.ask("POST", "/v1/imports", body)
    upload(opened["upload"], HOURS)
    return wait_for_file(api, f"/v1/imports/{opened['id']}", ("completed", "failed"))


def show_import(imported: dict[str, Any]) -> None:
    counts = ", ".join(f"{imported[f'{outcome}_count']} {outcome}" for outcome in ("added", "unchanged", "rejected"))
    say(f"  {imported['status']}: of {imported['record_count']} rows {counts}")
    for rejection in imported["rejections"]:
        say(f"    line {rejection['line']}, {rejection['pointer']}: {rejection['reason']}")


def photographed(product_ids: list[str]) -> str:
    return LANTERN if LANTERN in product_ids else product_ids[0]


def photograph(api: Api, product_id: str) -> dict[str, Any]:
    """The image of that product: from an earlier run, or uploaded now."""
    _, listed = api.ask("GET", "/v1/images?limit=100")
    known = [image["id"] for image in listed["images"] if image["filename"] == PHOTO.name]
    if not known:
        _, opened = api.ask("POST", "/v1/images", {"filename": PHOTO.name, "content_type": "image/jpeg"})
        upload(opened["upload"], PHOTO)
        known = [opened["id"]]
    image = wait_for_file(api, f"/v1/images/{known[0]}", ("ready", "rejected"))
    if image["status"] == "rejected":
        raise DemoFailed(f"{PHOTO.name} was rejected: {image['reason']}")
    _, product = api.ask("GET", f"/v1/products/{product_id}")
    kept = {name: product[name] for name in ("name", "price", "description")}
    api.ask("PUT", f"/v1/products/{product_id}", {**kept, "image_id": image["id"]})
    return image


def show_image(image: dict[str, Any]) -> None:
    sizes = [f"{one['width']}x{one['height']}" for one in image["thumbnails"].values()]
    say(
        f"  {image['width']}x{image['height']} once upright; thumbnails of {', '.join(sizes)}; for five minutes the first is at"
    )
    say(f"  {image['thumbnails']['100x']['url']}")


def place_order(api: Api, product_id: str, payment_method: str) -> dict[str, Any]:
    """A customer orders two; the order once its workflow has ended."""
    body = {
        "customer_id": "CUST001",
        "items": [{"product_id": product_id, "quantity": 2}],
        "payment_method": payment_method,
        "shipping_address": SHIPPING_ADDRESS,
    }
    _, order = api.ask("POST", "/v1/orders", body)
    deadline = time.monotonic() + ORDER_SECONDS
    while time.monotonic() < deadline:
        _, order = api.ask("GET", f"/v1/orders/{order['order_id']}")
        if order["status"] != "PENDING":
            ended: dict[str, Any] = order
            return ended
        time.sleep(0.3)
    raise DemoFailed(f"The order {order['order_id']} did not end within {ORDER_SECONDS} s.")


def show_order(order: dict[str, Any]) -> None:
    total = f"{order['total_amount']:.2f} {order['currency']}"
    say(f"  {order['order_id']} over {total}: {order['status']}, {order['payment_status']}")
    for entry in order["history"]:
        say(f"    {entry['at']}  {entry['step']:<17} {entry['outcome']}{entry['detail'] and ': ' + entry['detail']}")


def what_next(api: Api) -> None:
    say(f"The API answers at   {api.url}")
    say(f"Log in with          {EMAIL} / {PASSWORD}")
    say("Try:")
    say(f"  URL={api.url}")
    credentials = json.dumps({"email": EMAIL, "password": PASSWORD})
    say(
        f"  TOKEN=$(curl -s $URL/v1/tokens -H 'Content-Type: application/json' -d '{credentials}'"
        ' | sed \'s/.*"access_token":"\\([^"]*\\)".*/\\1/\')'
    )
    say('  curl -s $URL/v1/invoices -H "Authorization: Bearer $TOKEN"')
    say('  curl -s "$URL/v1/search?q=hanging+heart" -H "Authorization: Bearer $TOKEN"')
    say("It keeps running; Ctrl-C stops it, and the next `make run` finds everything again.")


def run(port: int, data: Path, products: Path) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with running(port=port, data=data, mail=data / "mail", log=data / "local-aws.log") as aws:
        say(f"Daybook on a local AWS at {aws.endpoint}")
        with step("Packaging the application as for AWS"):
            made = package("local")
        with step("Deploying it with CloudFormation"):
            deployment = deploy(made, Account.of(boto3.Session(botocore_session=aws.session()), aws.endpoint))
        api = Api(deployment.api_url)
        with step(f"{EMAIL} signs up, or in"):
            sign_up(api)
        with step(f"A client, {CLIENT['name']}, with today as invoice day"):
            client = client_of_the_demo(api)
        with step(f"A month of work from {MONTH.relative_to(ROOT)}"):
            entries = log_month(api, client["id"])
        say(f"  {entries} entries are new")
        with step("The night comes: the invoices that are due are issued and mailed"):
            let_the_night_come(aws, deployment)
            invoice = wait_for_delivery(api)
        show_invoice(invoice)
        say(f"  Its PDF is saved as {save_pdf(api, invoice, data / 'invoices')}")
        say("  The client got this mail:")
        show_mail(mail_with(invoice["number"], aws.mail))
        with step(f"Hours from another program: {HOURS.relative_to(ROOT)}"):
            imported = import_hours(api)
        show_import(imported)
        with step(f"A shop's catalogue from {products.name}"):
            refusals = fill_catalogue(api, products)
        for code, why in refusals.items():
            say(f"  {code} was refused: {why}")
        known = list(read_products(products))
        with step(f"A photo of {photographed(known)} from {PHOTO.relative_to(ROOT)}"):
            image = photograph(api, photographed(known))
        show_image(image)
        for typed in (*WANTED, "muller sohne"):
            show_search(api, typed)
        for payment_method in ("card", "declined"):
            with step(f"A customer orders two of {known[0]} and pays by {payment_method!r}"):
                order = place_order(api, known[0], payment_method)
            show_order(order)
        what_next(api)
        signal.pause()


def main() -> None:
    parser = argparse.ArgumentParser(prog="demo", description="Run Daybook on a local AWS and show its main job.")
    parser.add_argument("--port", type=int, default=4566, help="port of the local AWS on the loopback interface (4566)")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="folder for all that is kept from run to run (data)")
    parser.add_argument("--products", type=Path, default=PRODUCTS, help=f"the shop's list ({PRODUCTS.relative_to(ROOT)})")
    arguments = parser.parse_args()
    try:
        run(arguments.port, arguments.data, arguments.products)
    except (LocalAwsFailed, PackagingFailed, DeploymentFailed, DemoFailed) as problem:
        sys.exit(f"\n{problem}")
    except KeyboardInterrupt:
        say("\nStopped; everything is kept.")


if __name__ == "__main__":
    main()
