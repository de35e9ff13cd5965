"""What is tried with every fault: something is set up in peace, something happens under faults, and then it must all fit."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final

from tests.consistency import Broken
from tests.faults.cloud import HttpClient
from tests.faults.file_scenarios import FILE_SCENARIOS
from tests.faults.pump import INDEXER
from tests.faults.world import (
    BILLING_AT_NIGHT,
    FEED,
    MAIL,
    NEITHER,
    NIGHT,
    PASSWORD,
    Scenario,
    StockRequest,
    World,
    add_client,
    counted,
    documents,
    log,
    sign_up_of,
    text,
)

# The nightly run


def _set_up_night(world: World) -> None:
    """Two accounts: work, none, two missed nights, reverse charge, no address, another currency."""
    ada, ben = world.sign_up("Ada"), world.sign_up("Ben", currency="JPY")
    profile = {name: value for name, value in sign_up_of("Ada").items() if name not in {"name", "password"}}
    ada.put("/v1/account", {**profile, "legal_name": "Ada", "vat_id": "ATU12345678"}).expect(200)
    clock = world.cloud.clock
    late = add_client(world, ada, "Late", invoice_day=15)
    log(ada, late, date="2026-02-03", minutes=20)
    clock.move_to(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
    log(ada, late, date="2026-03-02", minutes=40)
    busy = add_client(world, ada, "Busy", invoice_day=31)
    log(ada, busy, started_at="2026-03-02T07:00:00Z", ended_at="2026-03-02T08:50:17Z")
    for _ in range(3):
        log(ada, busy, date="2026-03-03", minutes=20)
    log(ada, busy, date="2026-03-04", minutes=60, billable=False)
    log(ada, busy, date="2026-04-01", minutes=60)
    add_client(world, ada, "Idle", invoice_day=31)
    abroad = add_client(world, ada, "Abroad", invoice_day=31, reverse_charge=True, vat_id="DE123456789", tax_rate=None)
    log(ada, abroad, date="2026-03-05", minutes=90)
    silent = add_client(world, ada, "Silent", invoice_day=31, email=None)
    log(ada, silent, date="2026-03-05", minutes=45)
    add_client(world, ada, "Later", invoice_day=1)
    yen = add_client(world, ben, "Yen", invoice_day=31, currency="JPY", rate=1127, tax_rate=10)
    log(ben, yen, date="2026-03-05", minutes=60)
    clock.move_to(NIGHT)


def _run_night(world: World) -> None:
    world.cloud.pump.schedule("nightly", NIGHT)
    world.cloud.pump.run_dry()


NIGHTS_INVOICES: Final = {
    # hours and rates as logged above; 110 min 17 s at 95 is 174.615..., 20 min are 31.67
    ("Late", "2026-02-15"): "38.00",
    ("Late", "2026-03-15"): "76.00",
    ("Busy", "2026-03-31"): "323.56",
    ("Abroad", "2026-03-31"): "142.50",
    ("Silent", "2026-03-31"): "85.50",
    ("Yen", "2026-03-31"): "1240",
}


def _expect_night(world: World) -> Iterator[Broken]:
    """Exactly these invoices, and a report that says so; the next night finds nothing more."""
    yield from _nights_invoices(world)
    for person, due, issued, nothing in (("Ada", 6, 5, 1), ("Ben", 1, 1, 0)):
        report = world.people[person].get("/v1/reports/2026-03-31").expect(200)
        found = (report["invoices_due"], report["invoices_issued"], report["invoices_missed"])
        if found != (due, issued, due - issued - nothing):
            yield Broken("the report agrees with the invoices", f"{person}: {report}")
    world.cloud.pump.schedule("nightly", world.cloud.clock.after(days=0))
    world.cloud.pump.run_dry()
    yield from _nights_invoices(world)


def _nights_invoices(world: World) -> Iterator[Broken]:
    names = {client_id: name for name, client_id in world.ids.items()}
    invoices = documents(world, "invoice")
    found = Counter((names[text(it, "client_id")], text(it, "period_through"), text(it, "total")) for it in invoices)
    expected = Counter((*due, total) for due, total in NIGHTS_INVOICES.items())
    if found != expected:
        yield Broken("exactly one invoice for each client and period", f"{sorted((found - expected) + (expected - found))}")
    waiting = {names[text(client, "id")]: text(client, "next_invoice_on") for client in documents(world, "client")}
    if waiting != dict.fromkeys(("Busy", "Idle", "Abroad", "Silent", "Yen"), "2026-04-30") | {
        "Late": "2026-04-15",
        "Later": "2026-04-01",
    }:
        yield Broken("every client waits for its next invoice day", f"{waiting}")


# At the API


def _set_up_one_client(world: World) -> None:
    ada = world.sign_up("Ada")
    client = add_client(world, ada, "Client")
    world.ids["first"] = log(ada, client, started_at="2026-01-19T08:00:00Z", ended_at="2026-01-19T09:50:17Z")
    world.ids["second"] = log(ada, client, date="2025-12-30", minutes=20)


def _issue(world: World) -> None:
    ada = world.people["Ada"]
    invoice = ada.post("/v1/invoices", {"client_id": world.ids["Client"], "through": "2026-01-20"})
    issued = world.seen(ada, invoice, 201, repeated=(409,))
    if issued:
        world.ids["invoice"] = issued["id"]
    world.cloud.pump.run_dry()


def _expect_one_invoice(world: World) -> Iterator[Broken]:
    yield from counted(world, "invoice", 1 if world.patient else (0, 1))
    for invoice in documents(world, "invoice"):
        if Decimal(text(invoice, "total")) != Decimal("247.55"):  # 174.62 and 31.67, and 20 % of their sum
            yield Broken("totals are right to the cent", text(invoice, "total"))
    if "invoice" in world.ids and world.people["Ada"].get(f"/v1/invoices/{world.ids['invoice']}").status != 200:
        yield Broken("what was answered is kept", world.ids["invoice"])


def _set_up_one_invoice(world: World) -> None:
    _set_up_one_client(world)
    _issue(world)


def _pay(world: World) -> None:
    ada = world.people["Ada"]
    path = f"/v1/invoices/{world.ids['invoice']}/payments"
    for amount in ("100.00", "147.55"):
        paid = ada.post(path, {"amount": amount, "paid_on": "2026-01-20", "reference": amount})
        # Asked again, the part that is paid may be paid twice: without an Idempotency-Key nobody can tell two from one.
        world.seen(ada, paid, 201, repeated=(409, 422))
    world.cloud.pump.run_dry()


def _expect_paid(world: World) -> Iterator[Broken]:
    (invoice,) = documents(world, "invoice")
    payments = [payment["M"]["amount"]["S"] for payment in invoice["payments"]["L"]]
    if world.patient and text(invoice, "status") != "paid" and payments != ["100.00", "100.00"]:
        yield Broken("what was answered is kept", f"{text(invoice, 'status')}: {payments}")


def _credit_and_bill_again(world: World) -> None:
    ada = world.people["Ada"]
    path = f"/v1/invoices/{world.ids['invoice']}/credit-notes"
    world.seen(ada, ada.post(path, {"reason": "the wrong address"}), 201, repeated=(409,))
    world.cloud.pump.run_dry()
    again = ada.post("/v1/invoices", {"client_id": world.ids["Client"], "through": "2026-01-20"})
    world.seen(ada, again, 201, repeated=(409,))
    world.cloud.pump.run_dry()


def _expect_credited(world: World) -> Iterator[Broken]:
    yield from counted(world, "credit_note", 1 if world.patient else (0, 1))
    yield from counted(world, "invoice", 2 if world.patient else (1, 2))
    open_ids = [sheet for sheet in documents(world, "sheet") if "open" in sheet]
    if world.patient and open_ids:
        yield Broken("the hours that were released are billed again", f"{open_ids}")


def _keyed_requests(world: World) -> list[tuple[str, str, dict[str, Any]]]:
    """Key, path and body of what nobody could tell from its double without the key; the last one ends what the others begin."""
    client, invoice = world.ids["Client"], world.ids["invoice"]
    return [
        ("client", "/v1/clients", {"name": "Keyed", "rate": 80, "currency": "EUR"}),
        ("minutes", "/v1/work", {"client_id": client, "date": "2026-01-19", "minutes": 15, "description": "Keyed"}),
        ("part", f"/v1/invoices/{invoice}/payments", {"amount": "10.00", "paid_on": "2026-01-20"}),
        ("invoice", "/v1/invoices", {"client_id": client, "through": "2026-01-20"}),
        ("credit", f"/v1/invoices/{invoice}/credit-notes", {"reason": "Wrong"}),
    ]


def _ask_with_keys(world: World) -> None:
    """Each request once; who asks again does so under the same key, and is told what the first one would have been."""
    ada = world.people["Ada"]
    for key, path, body in _keyed_requests(world)[: None if world.patient else -1]:
        world.seen(ada, ada.post(path, body, key=key), 201)
    world.cloud.pump.run_dry()


def _expect_each_once(world: World) -> Iterator[Broken]:
    """Asked once more in peace, everybody has what they asked for, once, and is told so in the same words twice."""
    ada = world.people["Ada"]
    ada.patient = True
    world.cloud.clock.advance(60)
    for key, path, body in _keyed_requests(world):
        first, second = ada.post(path, body, key=key), ada.post(path, body, key=key)
        if (first.status, second.status) != (201, 201) or first.body != second.body:
            yield Broken("a keyed request is answered once and for all", f"{key}: {first.status}, {second.status}")
    world.cloud.pump.run_dry()
    kept = {"client": ["Client", "Keyed"], "work": ["Keyed", "Work", "Work"]}
    for kind, member in (("client", "name"), ("work", "description")):
        found = sorted(text(item, member) for item in documents(world, kind))
        if found != kept[kind]:
            yield Broken("a keyed request takes effect once", f"{kind}: {found}")
    yield from counted(world, "invoice", 2)
    yield from counted(world, "credit_note", 1)
    credited = next(item for item in documents(world, "invoice") if text(item, "id") == world.ids["invoice"])
    if [payment["M"]["amount"]["S"] for payment in credited["payments"]["L"]] != ["10.00"]:
        yield Broken("a keyed request takes effect once", f"payments: {credited['payments']}")


def _work(world: World) -> None:
    """Logs, moves to another client and month, removes, starts and stops."""
    ada = world.people["Ada"]
    hours = {"started_at": "2026-01-20T06:00:00Z", "ended_at": "2026-01-20T07:30:00Z", "description": "Under faults"}
    logged = ada.post("/v1/work", {"client_id": world.ids["Client"], **hours})
    world.seen(ada, logged, 201, repeated=(409,))
    moved = {"client_id": world.ids["Other"], "date": "2025-11-30", "minutes": 30, "description": "Moved"}
    world.seen(ada, ada.put(f"/v1/work/{world.ids['first']}", moved), 200)
    world.seen(ada, ada.delete(f"/v1/work/{world.ids['second']}"), 200, repeated=(404,))
    world.seen(ada, ada.post("/v1/timer", {"client_id": world.ids["Client"]}), 201, repeated=(409,))
    world.cloud.clock.advance(600)
    world.seen(ada, ada.delete("/v1/timer"), 200, repeated=(404,))
    world.cloud.pump.run_dry()


def _set_up_work(world: World) -> None:
    _set_up_one_client(world)
    add_client(world, world.people["Ada"], "Other")


def _expect_work(world: World) -> Iterator[Broken]:
    """Three entries: what was logged (once: it would overlap with itself), what was moved, and what the timer measured."""
    if not world.patient:
        return
    yield from counted(world, "work", 3)
    yield from counted(world, "timer", 0)
    if world.ids["second"] in {text(entry, "id") for entry in documents(world, "work")}:
        yield Broken("what was answered is kept", "the removed entry is there")
    moved = [entry for entry in documents(world, "work") if text(entry, "id") == world.ids["first"]]
    if [(text(entry, "day"), text(entry, "client_id")) for entry in moved] != [("2025-11-30", world.ids["Other"])]:
        yield Broken("what was answered is kept", f"the moved entry is {moved}")


def _change_clients(world: World) -> None:
    """Moves an invoice day, raises a rate, archives who has work, removes who has none, and edits the profile."""
    ada = world.people["Ada"]
    client, other = (f"/v1/clients/{world.ids[name]}" for name in ("Client", "Other"))
    world.seen(ada, ada.ask("PATCH", client, {"invoice_day": 31, "rate": 100, "rate_valid_from": "2026-02-01"}), 200)
    world.seen(ada, ada.ask("PATCH", client, {"invoice_day": None}), 200)
    world.seen(ada, ada.delete(client), 200)
    world.seen(ada, ada.delete(other), 200, repeated=(404,))
    profile = {"legal_name": "Ada & Co", "country": "AT", "email": "ada@example.com", "currency": "EUR"}
    world.seen(ada, ada.put("/v1/account", {**profile, "time_zone": "Europe/Berlin"}), 200)
    world.cloud.pump.run_dry()


def _expect_changed_clients(world: World) -> Iterator[Broken]:
    if not world.patient:
        return
    (client,) = documents(world, "client")
    if "archived_at" not in client or client["rates"]["L"][-1]["M"]["rate"]["S"] != "100":
        yield Broken("what was answered is kept", f"{client}")
    if len(client["rates"]["L"]) != 2:
        yield Broken("done twice it is done once", f"{client['rates']}")


def _open_account(world: World) -> None:
    cleo = HttpClient(world.cloud, patient=world.patient)
    world.people["Cleo"] = cleo
    world.seen(cleo, cleo.post("/v1/accounts", sign_up_of("Cleo")), 201, repeated=(409,))
    world.cloud.pump.run_dry()


def _expect_account(world: World) -> Iterator[Broken]:
    """She can sign in; or, if she did not ask again, she can sign up anew."""
    cleo = HttpClient(world.cloud)
    signed_in = cleo.post("/v1/tokens", {"email": "cleo@example.com", "password": PASSWORD})
    if signed_in.status == 401 and not world.patient:
        signed_in = cleo.post("/v1/accounts", sign_up_of("Cleo"))
        world.cloud.pump.run_dry()
    if signed_in.status not in (200, 201):
        yield Broken("who has signed up can sign in", f"HTTP {signed_in.status}: {signed_in.body}")
        return
    cleo.token = signed_in.body["access_token"]
    if cleo.get("/v1/account").expect(200)["legal_name"] != "Cleo":
        yield Broken("who has signed up can sign in", "it is another account")


# Mail


def _bounce(world: World) -> None:
    (mail,) = world.cloud.plane.mails
    for _ in range(2):
        world.cloud.bounce("client@client.example", mail.tags, mail.message_id)
    world.cloud.pump.run_dry()


def _expect_bounce(world: World) -> Iterator[Broken]:
    (invoice,) = documents(world, "invoice")
    if invoice["delivery"]["M"]["status"]["S"] != "failed" or "owner_told" not in invoice["delivery"]["M"]:
        yield Broken("a bounce is noted", f"{invoice['delivery']}")
    told = [mail for mail in world.cloud.plane.mails if mail.recipients == ("ada@example.com",)]
    if not told:
        yield Broken("the owner is told of a bounce", "nobody told her")


def _set_up_rush(world: World) -> None:
    """An invoice that is out, and work that the night is about to bill while everybody is still at it."""
    _set_up_one_client(world)
    _issue(world)
    ada, clock = world.people["Ada"], world.cloud.clock
    clock.move_to(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
    ada.ask("PATCH", f"/v1/clients/{world.ids['Client']}", {"invoice_day": 31}).expect(200)
    for name, day in (("moving", "2026-03-02"), ("going", "2026-03-03"), ("staying", "2026-03-04")):
        world.ids[name] = log(ada, world.ids["Client"], date=day, minutes=60)
    idle = add_client(world, ada, "Idle", invoice_day=15)
    world.ids["idle work"] = log(ada, idle, date="2026-03-02", minutes=30)
    clock.move_to(NIGHT)


def _rush(world: World) -> None:
    """All at once: the night, two who bill by hand, one who edits and removes, one who pays, credits and moves the day."""
    ada, pump = world.people["Ada"], world.cloud.pump
    client, idle = world.ids["Client"], world.ids["Idle"]
    moving, going, first = (f"/v1/work/{world.ids[name]}" for name in ("moving", "going", "idle work"))
    invoice = f"/v1/invoices/{world.ids['invoice']}"

    def ask(method: str, path: str, body: Mapping[str, Any] | None, *expected: int) -> Callable[[], None]:
        return lambda: world.seen(ada, ada.ask(method, path, body), *expected, repeated=(404, 409, 422))

    def deliver() -> None:
        for _ in range(8):
            pump.step()

    pump.schedule("nightly", NIGHT, times=2)
    pump.together(
        [
            deliver,
            ask("POST", "/v1/invoices", {"client_id": client, "through": "2026-03-30"}, 201, 409),
            ask("POST", "/v1/invoices", {"client_id": client, "through": "2026-03-03"}, 201, 409),
            ask("PUT", moving, {"client_id": client, "date": "2026-03-02", "minutes": 75, "description": "More"}, 200, 409),
            ask("PUT", first, {"client_id": client, "date": "2026-03-02", "minutes": 30, "description": "Moved"}, 200, 409),
            ask("DELETE", going, None, 200, 409),
            ask("POST", "/v1/work", {"client_id": client, "date": "2026-03-05", "minutes": 15}, 201),
            ask("POST", f"{invoice}/payments", {"amount": "247.55", "paid_on": "2026-03-31"}, 201, 409),
            ask("POST", f"{invoice}/credit-notes", {"reason": "all at once"}, 201, 409),
            ask("PATCH", f"/v1/clients/{idle}", {"invoice_day": None}, 200),
        ]
    )
    pump.run_dry()


def _expect_rush(world: World) -> Iterator[Broken]:
    """In which order is nobody's business; what is still open afterwards is billed by hand, and then all fits."""
    ada = world.people["Ada"]
    for name in ("Client", "Idle"):
        ada.post("/v1/invoices", {"client_id": world.ids[name], "through": "2026-03-31"}).expect(201, 409)
    world.cloud.pump.run_dry()
    left = [sheet for sheet in documents(world, "sheet") if "open" in sheet]
    if left:
        yield Broken("every entry is billed once", f"still open: {left}")


def _set_up_edits(world: World) -> None:
    ada = world.sign_up("Ada")
    world.cloud.clock.move_to(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
    for name in ("Busy", "Idle"):
        add_client(world, ada, name, invoice_day=31)
    world.ids["entry"] = log(ada, world.ids["Busy"], date="2026-03-02", minutes=60)
    world.cloud.clock.move_to(NIGHT)


def _edit_while_billing(world: World) -> None:
    """While the night is at them, one client gets another invoice day, the other none, and the hours become fewer."""
    ada, pump = world.people["Ada"], world.cloud.pump
    busy, idle = (f"/v1/clients/{world.ids[name]}" for name in ("Busy", "Idle"))
    pump.schedule("nightly", NIGHT)
    pump.run_schedules()
    shorter = {"client_id": world.ids["Busy"], "date": "2026-03-02", "minutes": 45}
    pump.together(
        [
            pump.step,
            lambda: world.seen(ada, ada.ask("PATCH", busy, {"invoice_day": 15}), 200),
            lambda: world.seen(ada, ada.ask("PATCH", idle, {"invoice_day": None}), 200),
            lambda: world.seen(ada, ada.put(f"/v1/work/{world.ids['entry']}", shorter), 200, 409),
        ]
    )
    pump.run_dry()


def _expect_edited(world: World) -> Iterator[Broken]:
    """Billed before its day was moved, or not before the new one."""
    yield from counted(world, "invoice", (0, 1))
    days = {client["name"]["S"]: client.get("next_invoice_on", {}).get("S") for client in documents(world, "client")}
    if world.patient and days != {"Busy": "2026-04-15", "Idle": None}:
        yield Broken("what was answered is kept", f"the invoice days are {days}")


def _issue_and_print(world: World) -> None:
    """The PDF is asked for at the API before it was mailed: whoever prints first, the bytes are the same."""
    ada = world.people["Ada"]
    issued = world.seen(
        ada, ada.post("/v1/invoices", {"client_id": world.ids["Client"], "through": "2026-01-20"}), 201, repeated=(409,)
    )
    if issued:
        world.ids["invoice"] = issued["id"]
        world.seen(ada, ada.get(f"/v1/invoices/{issued['id']}/pdf"), 302)
    world.cloud.pump.run_dry()


# The catalogue and its search

LANTERN: Final = "LANTERN-1"
_LANTERN_PATH: Final = f"/v1/products/{LANTERN}"


def _set_up_catalogue(world: World) -> None:
    """Ada's index is there, with a client and a product; Ben's comes with the first thing of his that can be found."""
    _set_up_one_client(world)
    world.people["Ada"].put("/v1/products/CUPID", {"name": "Cream cupid hearts", "price": 2.75, "stock": 8}).expect(201)
    world.sign_up("Ben")


def _keep_catalogue(world: World) -> None:
    """Made, replaced, deleted, made again under the same id, which another shop uses too; an invoice and clients beside it."""
    ada, ben, pump = world.people["Ada"], world.people["Ben"], world.cloud.pump

    def put(person: HttpClient, path: str, name: str) -> None:
        world.seen(person, person.put(path, {"name": name, "price": 2.55, "stock": 6}), 200, 201)

    put(ada, _LANTERN_PATH, "White metal lantern")
    put(ada, _LANTERN_PATH, "Red woolly hottie")
    put(ben, _LANTERN_PATH, "Retrospot tea set")
    pump.run_dry()
    world.seen(ada, ada.delete(_LANTERN_PATH), 200, repeated=(404,))
    put(ada, _LANTERN_PATH, "Glass star frosted")
    put(ben, "/v1/products/GONE", "Knitted union flag")
    client = ada.post("/v1/clients", {"name": "Keyed", "rate": 80, "currency": "EUR"}, key="client")
    made = world.seen(ada, client, 201)
    if made:
        world.seen(ada, ada.ask("PATCH", f"/v1/clients/{made['id']}", {"name": "Renamed"}), 200)
    invoice = ada.post("/v1/invoices", {"client_id": world.ids["Client"], "through": "2026-01-20"})
    world.seen(ada, invoice, 201, repeated=(409,))
    world.seen(ben, ben.delete("/v1/products/GONE"), 200, repeated=(404,))
    pump.run_dry()
    found = world.seen(ada, ada.get("/v1/search?q=frosted+star"), 200)
    if found and world.patient and [result["id"] for result in found["results"]] != [LANTERN]:
        world.broken.append(Broken("who looks for a product finds it", f"{found}"))


def _expect_catalogue(world: World) -> Iterator[Broken]:
    """Nothing but what they last said; the version goes on after a product was deleted."""
    for name, query, expected in (("Ada", "metal", []), ("Ada", "hottie", []), ("Ben", "retrospot", [LANTERN])):
        found = world.people[name].get(f"/v1/search?q={query}&type=product").expect(200)["results"]
        if world.patient and [result["id"] for result in found] != expected:
            yield Broken("who looks for a product finds it", f"{name}: {query}: {found}")
    if not world.patient:
        return
    ids = {name: person.get("/v1/account").expect(200)["id"] for name, person in world.people.items()}
    kept = {
        (text(it, "account_id"), text(it, "id"), text(it, "name"), int(it["version"]["N"]))
        for it in documents(world, "product")
    }
    if kept != {
        (ids["Ada"], "CUPID", "Cream cupid hearts", 1),
        (ids["Ada"], LANTERN, "Glass star frosted", 3),
        (ids["Ben"], LANTERN, "Retrospot tea set", 1),
    }:
        yield Broken("what was answered is kept", f"{sorted(kept)}")
    yield from counted(world, "invoice", 1)


# Stock

FIRST_STOCK: Final = 20


def _set_up_stock(world: World) -> None:
    ada = world.sign_up("Ada")
    for name in ("Bea", "Cleo"):
        person = {"name": name, "email": f"{name.lower()}@example.com", "password": PASSWORD, "role": "member"}
        ada.post("/v1/users", person).expect(201)
        world.people[name] = HttpClient(world.cloud)
        signed_in = world.people[name].post("/v1/tokens", {"email": person["email"], "password": PASSWORD}).expect(200)
        world.people[name].token = signed_in["access_token"]
    ada.put(_LANTERN_PATH, {"name": "Lantern", "price": 2.55, "stock": FIRST_STOCK}).expect(201)


def _change_stock(world: World) -> None:
    """Several people at once, keyed and not; not all can have what they want, and one of them can never."""
    wanted = (
        ("Ada", 5, ""),
        ("Ada", -1000, "far too much"),
        ("Bea", -8, "Bea takes"),
        ("Bea", -7, ""),
        ("Cleo", -9, "Cleo takes"),
        ("Cleo", 3, "Cleo brings"),
    )
    for name, change, key in wanted:
        asking = HttpClient(world.cloud, patient=world.patient, token=world.people[name].token)
        world.stock.append(StockRequest(f"{name} {change:+}", change, key, asking, []))

    def ask(one: StockRequest) -> None:
        body = {"change": one.change, "reason": one.reason}
        one.told.append(one.client.post(f"{_LANTERN_PATH}/stock", body, key=one.key))

    def rename() -> None:
        ada = world.people["Ada"]
        world.seen(ada, ada.put(_LANTERN_PATH, {"name": "Renamed", "price": 2.55}), 200)

    world.cloud.pump.together([rename, *(partial(ask, one) for one in world.stock)])
    world.cloud.pump.run_dry()


def _expect_stock(world: World) -> Iterator[Broken]:
    """The sum is exact, and everybody was told what the journal says."""
    (product,) = documents(world, "product")
    journal = Counter({one.reason: 0 for one in world.stock})
    changes = documents(world, "stock_change")
    journal.update(text(change, "reason") for change in changes if text(change, "reason") in journal)
    noted = sum(int(change["change"]["N"]) for change in changes)
    stock, version = int(product["stock"]["N"]), int(product["version"]["N"])
    if stock != noted or len(changes) != 1 + journal.total():  # one that set the first stock
        yield Broken("stock is what the journal says", f"{stock}, not {noted}: {journal} of {len(changes)}")
    renamed = text(product, "name") == "Renamed"
    if version != 1 + journal.total() + renamed or (world.patient and not renamed):
        yield Broken("every change of a product moves its version by one", f"{version}: {journal}, renamed: {renamed}")
    for one in world.stock:
        yield from _told_what_is_noted(one, journal[one.reason])
    yield from _same_answers_again(world)


def _told_what_is_noted(one: StockRequest, noted: int) -> Iterator[Broken]:
    """Who asks again without a key may have got it more than once, also where the last answer was a refusal."""
    (answer,) = one.told
    again = 0 if one.key else one.client.asked_again
    match answer.status:
        case 200:
            possible = range(1, 2 + again)
        case 409 if answer.body["code"] == "out_of_stock":
            possible = range(1 + again)
        case _ if not one.client.patient and answer.passes:
            possible = range(2)
        case _:
            yield Broken("answers are such as a client can expect", f"{one.reason}: HTTP {answer.status}: {answer.body}")
            return
    if noted not in possible:
        yield Broken("what was answered is in the journal", f"{one.reason}: HTTP {answer.status}, {noted} times in the journal")


def _same_answers_again(world: World) -> Iterator[Broken]:
    """Under the same key, in the same words, and without another effect."""
    known = len(documents(world, "stock_change"))
    for one in world.stock:
        if one.key and one.told[0].status == 200:
            again = one.client.post(f"{_LANTERN_PATH}/stock", {"change": one.change, "reason": one.reason}, key=one.key)
            if again.status != 200 or again.body != one.told[0].body:
                yield Broken("a keyed request is answered once and for all", f"{one.reason}: {again.status}: {again.body}")
    if len(documents(world, "stock_change")) != known:
        yield Broken("a keyed request takes effect once", "another change of stock")


# Orders

_RESERVED_SECONDS: Final = 15 * 60 + 1
_QUIET_SECONDS: Final = 60 * 60 + 1
_NOT_COUNTED: Final = "GIFT-WRAP"
_LANTERNS: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """An order, and how it is to end where nothing fails: its status, what of its payment, and what its customer is told."""

    ends: tuple[str, str, str]
    lanterns: int = 1
    wrapped: int = 0
    method: str = "card"
    postal_code: str = "1010"
    hold: bool = False

    def body(self, name: str) -> dict[str, Any]:
        counted = {LANTERN: self.lanterns, _NOT_COUNTED: self.wrapped}
        return {
            "customer_id": name,
            "items": [{"product_id": product, "quantity": units} for product, units in counted.items() if units],
            "payment_method": self.method,
            "shipping_address": {
                "name": name,
                "street": "Graben 1",
                "city": "Vienna",
                "postal_code": self.postal_code,
                "country": "AT",
            },
            "hold": self.hold,
        }


_ORDERS: Final = {
    "well": _Wanted(ends=("CONFIRMED", "captured", "order_confirmed"), lanterns=2, wrapped=2),
    "declined": _Wanted(ends=("FAILED", "failed", "payment_failed"), method="declined", hold=True),
    "too many": _Wanted(ends=("FAILED", "not_paid", "out_of_stock"), lanterns=50),
    "far away": _Wanted(ends=("FAILED", "refunded", "shipping_failed"), postal_code="000 1"),
    "canceled": _Wanted(ends=("CANCELED", "refunded", "")),
}
_LATER: Final = {
    "stuck": _Wanted(ends=("FAILED", "captured", "shipping_failed"), method="refund_error", postal_code="000 1"),
    "expired": _Wanted(ends=("FAILED", "refunded", "out_of_stock"), method="answer_lost"),
}
"""Placed when the others have ended: the one cannot be undone, and the other's units are given back while it is being paid."""
_UNTIL_PAID: Final = 3
"""So many rounds of the pump."""


def _set_up_orders(world: World) -> None:
    ada = world.sign_up("Ada")
    ada.put(_LANTERN_PATH, {"name": "Lantern", "price": 2.55, "stock": _LANTERNS}).expect(201)
    ada.put(f"/v1/products/{_NOT_COUNTED}", {"name": "Gift wrap", "price": 0.42}).expect(201)


def _order(world: World) -> None:
    """All placed, one submitted, one canceled between two of its steps; then one that nobody can undo, and one too late. At
    last a night that takes up what has been left lying.
    """
    ada, pump = world.people["Ada"], world.cloud.pump
    _place(world, _ORDERS)
    if "declined" in world.ids:
        world.seen(ada, ada.post(f"/v1/orders/{world.ids['declined']}/submit", key="submit"), 200)
    for _ in range(_UNTIL_PAID):
        pump.step()

    def cancel() -> None:
        # Where its workflow is slower or faster than usual, it is canceled elsewhere, or has gone too far for that.
        answer = ada.post(f"/v1/orders/{world.ids['canceled']}/cancel", key="cancel")
        if answer.status != 409 or answer.body["code"] != "order_not_cancelable":
            world.seen(ada, answer, 200)

    pump.together([*([cancel] if "canceled" in world.ids else []), pump.run_workflows])
    pump.run_dry()
    _place(world, _LATER)
    for _ in range(_UNTIL_PAID):
        pump.step()
    for seconds in (_RESERVED_SECONDS, _QUIET_SECONDS):
        world.cloud.clock.advance(seconds)
        pump.schedule("tidy", world.cloud.clock.now())
        pump.run_dry()


def _place(world: World, orders: Mapping[str, _Wanted]) -> None:
    ada = world.people["Ada"]
    for name, wanted in orders.items():
        placed = world.seen(ada, ada.post("/v1/orders", wanted.body(name), key=name), 201)
        if placed:
            world.ids[name] = placed["order_id"]


def _expect_orders(world: World) -> Iterator[Broken]:
    """Each ends as it should where nothing failed; a step that failed for good may end it otherwise, never in halves."""
    orders = {text(order, "customer_id"): order for order in documents(world, "order")}
    yield from counted(world, "order", len(_ORDERS | _LATER) if world.patient else tuple(range(len(_ORDERS | _LATER) + 1)))
    told = {(message["customer_id"], message["type"]) for message in world.cloud.plane.news}
    disturbed = bool(world.cloud.plane.struck) or world.cloud.pump.repetition is not None
    for name, wanted in (_ORDERS | _LATER).items():
        order = orders.get(name)
        if order is None:
            continue
        news = next((kind for customer, kind in told if customer == name), "")
        ended = (text(order, "status"), text(order, "payment_status"), news)
        if ended != wanted.ends and not disturbed:
            yield Broken("an order ends as it should", f"{name}: {ended}")
        seen = world.people["Ada"].get(f"/v1/orders/{text(order, 'id')}").expect(200)
        if seen["status"] != ended[0] or not seen["history"]:
            yield Broken("who asks for an order is told how it is", f"{name}: {seen}")


SCENARIOS: Final = (
    Scenario(name="night", set_up=_set_up_night, act=_run_night, expect=_expect_night, asks=False, seeds=3),
    Scenario(name="invoice", set_up=_set_up_one_client, act=_issue, expect=_expect_one_invoice, idle=BILLING_AT_NIGHT),
    Scenario(name="pdf", set_up=_set_up_one_client, act=_issue_and_print, expect=_expect_one_invoice, idle=BILLING_AT_NIGHT),
    Scenario(name="payment", set_up=_set_up_one_invoice, act=_pay, expect=_expect_paid, idle=BILLING_AT_NIGHT | MAIL),
    Scenario(
        name="credit", set_up=_set_up_one_invoice, act=_credit_and_bill_again, expect=_expect_credited, idle=BILLING_AT_NIGHT
    ),
    Scenario(name="keyed", set_up=_set_up_one_invoice, act=_ask_with_keys, expect=_expect_each_once, idle=BILLING_AT_NIGHT),
    Scenario(name="work", set_up=_set_up_work, act=_work, expect=_expect_work, idle=BILLING_AT_NIGHT | MAIL),
    Scenario(
        name="clients", set_up=_set_up_work, act=_change_clients, expect=_expect_changed_clients, idle=BILLING_AT_NIGHT | MAIL
    ),
    Scenario(name="sign-up", set_up=lambda _: None, act=_open_account, expect=_expect_account, idle=BILLING_AT_NIGHT | MAIL),
    Scenario(name="rush", set_up=_set_up_rush, act=_rush, expect=_expect_rush, in_turn=False, seeds=6, crowd=True),
    Scenario(
        name="edits", set_up=_set_up_edits, act=_edit_while_billing, expect=_expect_edited, in_turn=False, seeds=4, crowd=True
    ),
    Scenario(name="bounce", set_up=_set_up_one_invoice, act=_bounce, expect=_expect_bounce, asks=False, idle=BILLING_AT_NIGHT),
    Scenario(
        name="catalogue",
        set_up=_set_up_catalogue,
        act=_keep_catalogue,
        expect=_expect_catalogue,
        readers=(FEED, INDEXER),
        idle=BILLING_AT_NIGHT,
    ),
    Scenario(name="orders", set_up=_set_up_orders, act=_order, expect=_expect_orders, idle=NEITHER, orders=True),
    Scenario(
        name="stock",
        set_up=_set_up_stock,
        act=_change_stock,
        expect=_expect_stock,
        seeds=3,
        idle=BILLING_AT_NIGHT | MAIL,
        crowd=True,
    ),
    *FILE_SCENARIOS,
)


def scenario_called(name: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if scenario.name == name)
