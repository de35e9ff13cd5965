"""Whether everything in the table fits together: nothing half written, nothing billed twice, no number left out.

Reckons for itself, from the items as they lie in the table: none of the application's code is asked.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

Plain = dict[str, Any]
_DECIMALS = {"JPY": 0, "KRW": 0, "BHD": 3, "KWD": 3}
_KINDS = frozenset(
    {
        "account",
        "user",
        "owners",
        "sign_in",
        "client",
        "work",
        "workday",
        "sheet",
        "calendar",
        "timer",
        "series",
        "invoice",
        "lines",
        "credit_note",
        "outcome",
        "product",
        "product_version",
        "stock_change",
        "order",
        "reservation",
        "books",
        "import",
        "import_run",
        "import_row",
        "import_rejections",
        "import_removal",
        "image",
        "image_removal",
    }
)
_THUMBNAILS = {"100x", "200x", "400x", "200x200"}
_WITH_THE_PRODUCT = {"set with the product", "deleted with the product"}
"""Reasons of changes that were written together with a product's own change."""
_MAX_STOCK = 1_000_000_000
_MAX_EDITS = 10
_WORKFLOWS = {
    "PENDING": {"held", "running", "compensating"},
    "CONFIRMED": {"done"},
    "FAILED": {"compensated", "compensation_failed"},
    "CANCELED": {"compensated", "compensation_failed"},
}
"""Of an order's status, those of its workflow that go with it."""


class Broken(NamedTuple):
    """A rule that does not hold, and of what."""

    rule: str
    what: str


def check_table(items: Iterable[Mapping[str, Any]]) -> list[Broken]:
    """All that is wrong in the whole table; `items` in DynamoDB's attribute values, as a scan gives them."""
    return check_items([{name: _plain(value) for name, value in item.items()} for item in items])


def check_items(items: Iterable[Plain]) -> list[Broken]:
    """The same for plain items, with keys, texts, ints, lists, sets and dictionaries."""
    books: dict[str, Books] = defaultdict(Books)
    broken: list[Broken] = []
    for item in items:
        if item.get("type") not in _KINDS:
            broken.append(Broken("every item has a kind", f"{item['pk']} {item['sk']}: {item.get('type')}"))
            continue
        if item["type"] != "sign_in" and item["pk"] != item.get("account_id", item.get("id")):
            broken.append(Broken("an item lies under its account", f"{item['pk']} {item['sk']}"))
        books[str(item.get("account_id", item["pk"]))].by_kind[item["type"]].append(item)
    for account_id, book in books.items():
        broken += [Broken(one.rule, f"{account_id}: {one.what}") for one in book.check()]
    return broken


def amount_of(seconds: int, rate: str, currency: str) -> Decimal:
    """Seconds at a rate an hour, half up, away from zero."""
    return half_up(Fraction(seconds) * Fraction(rate) / 3600, currency)


def half_up(exact: Fraction, currency: str) -> Decimal:
    """In the currency's own decimals."""
    decimals = _DECIMALS.get(currency, 2)
    scaled = abs(exact) * 10**decimals
    units = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(units if exact >= 0 else -units).scaleb(-decimals)


class Books:
    """Everything of one account."""

    def __init__(self) -> None:
        self.by_kind: dict[str, list[Plain]] = defaultdict(list)

    def check(self) -> Iterator[Broken]:
        yield from self._people()
        yield from self._places()
        yield from self._sheets()
        yield from self._clients()
        yield from self._invoices()
        yield from self._billed_once()
        yield from self._numbers()
        yield from self._credit_notes()
        yield from self._outcomes()
        yield from self._products()
        yield from self._orders()
        yield from self._books()
        yield from self._images()
        yield from self._reservations()
        yield from self._journals()
        yield from self._imports()

    def _of(self, kind: str) -> dict[str, Plain]:
        return {item["id"]: item for item in self.by_kind[kind]}

    def _people(self) -> Iterator[Broken]:
        """An account has its users, and each of them can sign in."""
        if len(self.by_kind["account"]) != 1:
            yield Broken("an account is one item", f"{len(self.by_kind['account'])} items")
        users = self._of("user")
        if not users:
            yield Broken("an account has a user", "it has none")
        ways_in = {item["user_id"]: item for item in self.by_kind["sign_in"]}
        for user_id in users.keys() ^ ways_in.keys():
            yield Broken("every user can sign in, and nobody else", user_id)
        for user_id in users.keys() & ways_in.keys():
            digest = hashlib.sha256(users[user_id]["email"].encode()).hexdigest()
            if ways_in[user_id]["pk"] != f"email#{digest}":
                yield Broken("every user can sign in, and nobody else", f"{user_id} by another address")
        owners = [set(item["users"]) for item in self.by_kind["owners"]]
        if owners != [{user_id for user_id, user in users.items() if user["role"] == "owner"}] or owners == [set()]:
            yield Broken("an account knows its owners, and has one", f"{owners}")
        for timer in self.by_kind["timer"]:  # what was logged stays when its user goes
            if timer["user_id"] not in users:
                yield Broken("a timer has its user", timer["user_id"])

    def _places(self) -> Iterator[Broken]:
        """Each entry stands in the list of days once, as it is."""
        entries, places = self._of("work"), self.by_kind["workday"]
        counted = Counter(place["entry_id"] for place in places)
        for entry_id in entries.keys() ^ counted.keys() | {name for name, count in counted.items() if count > 1}:
            yield Broken("each entry has one place in the list of days", f"{entry_id} has {counted[entry_id]}")
        for place in places:
            entry = entries.get(place["entry_id"])
            if entry is None:
                continue
            if place["sk"] != f"workday#{entry['day']}#{entry.get('started_at', '-')}#{entry['id']}":
                yield Broken("a place says what the entry says", f"{place['sk']} of {entry['day']}")
            shown = ("client_id", "user_id", "billable", "started_at", "ended_at")
            if any(place.get(name) != entry.get(name) for name in shown) or place["month"] != entry["day"][:7]:
                yield Broken("a place says what the entry says", entry["id"])
        clients = self._of("client")
        for entry in entries.values():
            client = clients.get(entry["client_id"])
            if client is None or not client["has_work"]:
                yield Broken("an entry's client is there and knows that it has work", f"{entry['id']} of {entry['client_id']}")
        timed_by = {entry["user_id"] for entry in entries.values() if "started_at" in entry}
        for user_id in timed_by - {item["user_id"] for item in self.by_kind["calendar"]}:
            yield Broken("who logged hours has a calendar", user_id)

    def _sheets(self) -> Iterator[Broken]:
        """Each billable entry is open, or billed by one invoice, on the sheet of its client and month, and on no other."""
        wanted = {entry["id"]: (entry["client_id"], entry["day"][:7]) for entry in self.by_kind["work"] if entry["billable"]}
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for sheet in self.by_kind["sheet"]:
            on_it = [*sheet.get("open", ()), *(entry for entries in sheet["billed"].values() for entry in entries)]
            for entry_id in on_it:
                found[entry_id].append((sheet["client_id"], sheet["month"]))
            if sheet["entries"] != len(on_it):
                yield Broken("a sheet counts its entries", f"{sheet['sk']}: {sheet['entries']}, not {len(on_it)}")
            for invoice_id in sheet["billed"]:
                if invoice_id not in self._of("invoice"):
                    yield Broken("what is billed has its invoice", f"{sheet['sk']}: {invoice_id}")
        for entry_id in wanted.keys() | found.keys():
            places = [wanted[entry_id]] if entry_id in wanted else []
            if found.get(entry_id, []) != places:
                yield Broken("sheets and entries agree", f"{entry_id} is on {found.get(entry_id, [])}, not on {places}")

    def _clients(self) -> Iterator[Broken]:
        for client in self.by_kind["client"]:
            marks = {name in client for name in ("due", "due_at", "next_invoice_on")}
            if len(marks) > 1:
                yield Broken("who is due is on the index, and nobody else", client["id"])
            expected = client.get("invoice_day") is not None and "archived_at" not in client
            if ("due_at" in client) != expected:
                yield Broken("who has an invoice day is waiting for it", client["id"])
            if client.get("invoiced_through", "") >= client.get("next_invoice_on", "9999"):
                yield Broken("the next invoice day is still to come", client["id"])

    def _lines_of(self, invoice_id: str) -> list[Plain]:
        chunks = sorted((item for item in self.by_kind["lines"] if item["invoice_id"] == invoice_id), key=lambda it: it["sk"])
        return [line for chunk in chunks for line in chunk["lines"]]

    def _invoices(self) -> Iterator[Broken]:
        """Totals to the cent, and lines that are the entries that the sheets say are billed."""
        invoices, entries = self._of("invoice"), self._of("work")
        for orphan in {item["invoice_id"] for item in self.by_kind["lines"]} - invoices.keys():
            yield Broken("lines have an invoice", orphan)
        for invoice in invoices.values():
            name, currency = invoice["number"], invoice["currency"]
            lines = self._lines_of(invoice["id"])
            yield from _totals(invoice, lines)
            for line in lines:
                entry = entries.get(line["entry_id"])
                if Decimal(line["amount"]) != amount_of(line["duration_seconds"], line["rate"], currency):
                    yield Broken("a line's amount is right to the cent", f"{name}: {line['entry_id']}: {line['amount']}")
                if not invoice["period_from"] <= line["day"] <= invoice["period_through"]:
                    yield Broken("an invoice's period holds its lines", f"{name}: {line['day']}")
                if invoice["status"] != "credited" and (
                    entry is None
                    or not entry["billable"]
                    or entry["client_id"] != invoice["client_id"]
                    or (entry["day"], entry["duration_seconds"]) != (line["day"], line["duration_seconds"])
                ):
                    yield Broken("a line is its entry as it was billed", f"{name}: {line['entry_id']}")
            billed = self._on_sheets(invoice["id"])
            on_lines = set() if invoice["status"] == "credited" else {line["entry_id"] for line in lines}
            if billed != on_lines:
                yield Broken("sheets and invoice agree", f"{name}: {sorted(billed ^ on_lines)}")
            yield from _payments(invoice)

    def _on_sheets(self, invoice_id: str) -> set[str]:
        return {entry for sheet in self.by_kind["sheet"] for entry in sheet["billed"].get(invoice_id, ())}

    def _billed_once(self) -> Iterator[Broken]:
        counted = Counter(
            line["entry_id"]
            for invoice in self.by_kind["invoice"]
            if invoice["status"] != "credited"
            for line in self._lines_of(invoice["id"])
        )
        for entry_id, count in counted.items():
            if count > 1:
                yield Broken("every entry is billed once", f"{entry_id} by {count} invoices")

    def _numbers(self) -> Iterator[Broken]:
        """Ascending from 1 for each year and series, no gap, no repeat; the series knows the last."""
        taken: dict[tuple[str, str], list[int]] = defaultdict(list)
        for kind, documents in (("invoice", self.by_kind["invoice"]), ("credit_note", self.by_kind["credit_note"])):
            for document in documents:
                matched = re.fullmatch(r".*?(\d{4})-(\d{4,})", document["number"])
                if matched is None or matched[1] != document["issued_on"][:4]:
                    yield Broken("a number is of the year of its day", f"{document['number']} of {document['issued_on']}")
                    continue
                taken[kind, matched[1]].append(int(matched[2]))
        last = {tuple(item["sk"].split("#")[1:3]): item["last"] for item in self.by_kind["series"]}
        for series in taken.keys() | last.keys():
            numbers = sorted(taken[series])
            if numbers != list(range(1, last.get(series, 0) + 1)):
                yield Broken("numbers without gap or repeat", f"{series}: {numbers}, the series is at {last.get(series, 0)}")

    def _credit_notes(self) -> Iterator[Broken]:
        notes, invoices = self._of("credit_note"), self._of("invoice")
        for invoice in invoices.values():
            if (invoice["status"] == "credited") != ("credit_note_id" in invoice):
                yield Broken("who is credited has a credit note", invoice["number"])
        linked = {(invoice["credit_note_id"], invoice["id"]) for invoice in invoices.values() if "credit_note_id" in invoice}
        for pair in linked ^ {(note["id"], note["invoice_id"]) for note in notes.values()}:
            yield Broken("credit notes and invoices name each other", f"{pair}")
        for note in notes.values():
            invoice = invoices.get(note["invoice_id"], {})
            if any(Decimal(note[name]) != -Decimal(invoice.get(name, "NaN")) for name in ("net", "vat", "total")):
                yield Broken("a credit note takes back the whole", note["number"])

    def _outcomes(self) -> Iterator[Broken]:
        """The report says what the invoices say; a due day is settled once, however many nights asked for it."""
        invoices = self._of("invoice")
        settled: Counter[tuple[str, str]] = Counter()
        for outcome in self.by_kind["outcome"]:
            if outcome["outcome"] == "due":
                continue
            settled[outcome["client_id"], outcome["due_on"]] += 1
            if outcome["outcome"] == "issued":
                invoice = invoices.get(outcome["invoice_id"], {})
                shown = ("number", "currency", "total", "client_id")
                if any(outcome[name] != invoice.get(name) for name in shown):
                    yield Broken("the report agrees with the invoices", outcome["sk"])
        for day, count in settled.items():
            if count > 1:
                yield Broken("a due day is settled once", f"{day}: {count} times")

    def _products(self) -> Iterator[Broken]:
        """Stock within its bounds, and no version lost: of a product that is there, that is gone, or that came back."""
        products = self._of("product")
        changes: dict[str, list[Plain]] = defaultdict(list)
        for change in self.by_kind["stock_change"]:
            changes[change["product_id"]].append(change)
            if change["sk"] != f"stock#{change['product_id']}#{change['id']}":
                yield Broken("a change of stock lies under its product", change["sk"])
            if not 0 < abs(change["change"]) <= _MAX_STOCK:
                yield Broken("a change of stock adds or takes something", f"{change['sk']}: {change['change']}")
        for product in products.values():
            if product["sk"] != f"product#{product['id']}":
                yield Broken("a product lies under its id", product["sk"])
            if not 0 <= product.get("stock", 0) <= _MAX_STOCK:
                yield Broken("a stock is never below nothing", f"{product['id']}: {product['stock']}")
            price = Decimal(product["price"])
            if not price.is_finite() or price < 0:
                yield Broken("a price is an amount", f"{product['id']}: {product['price']}")
            # Those before it are forgotten with the version that was left, and only then does it begin at 1 again.
            moved = [change for change in changes[product["id"]] if change.get("reason") not in _WITH_THE_PRODUCT]
            since = [change for change in moved if change["created_at"] >= product["created_at"]]
            if product["version"] <= len(since):
                yield Broken("every change of stock moved its product's version", f"{product['id']}: {product['version']}")
        for left in self.by_kind["product_version"]:
            if left["product_id"] in products:
                yield Broken("a product is there or gone, not both", left["product_id"])
            if left["sk"] != f"product_version#{left['product_id']}" or left["version"] < 1 or "expires_at" not in left:
                yield Broken("what is left of a product is its version, for a while", left["sk"])

    def _images(self) -> Iterator[Broken]:
        """What is shown of an image goes with its status, and the night knows of all that is to be seen to."""
        images = self._of("image")
        for image in images.values():
            ready, rejected = image["status"] == "ready", image["status"] == "rejected"
            if image["sk"] != f"image#{image['id']}":
                yield Broken("an image lies under its id", image["sk"])
            if ({one["name"] for one in image.get("thumbnails", ())} == _THUMBNAILS) != ready or ("width" in image) != ready:
                yield Broken("an image has thumbnails if it is ready", image["id"])
            if ("reason" in image) != rejected:
                yield Broken("an image has a reason if it is rejected", image["id"])
            if ("due_at" in image) != (image.get("due") == "images") or ("due_at" not in image and not ready | rejected):
                yield Broken("the night looks after an image that nothing has become of", image["id"])
        for left in self.by_kind["image_removal"]:
            if left["image_id"] in images:
                yield Broken("an image is there or gone, not both", left["image_id"])
            if left["sk"] != f"image_removal#{left['image_id']}" or left.get("due") != "images" or "due_at" not in left:
                yield Broken("what is left of an image is seen to by the night", left["sk"])

    def _imports(self) -> Iterator[Broken]:
        """Every record counts once, and of those that were refused it is said why."""
        imports = self._of("import")
        told: dict[str, list[Plain]] = defaultdict(list)
        for part in sorted(self.by_kind["import_rejections"], key=lambda item: item["sk"]):
            told[part["import_id"]] += part["rejections"]
        runs = {run["import_id"]: run["run"] for run in self.by_kind["import_run"]}
        for import_id, one in imports.items():
            added, unchanged, rejected = (one[f"{name}_count"] for name in ("added", "unchanged", "rejected"))
            numbers = [rejection["number"] for rejection in told.pop(import_id, [])]
            if len(numbers) != rejected or numbers != sorted(set(numbers)):
                yield Broken("every record that was refused is told once", f"{import_id}: {rejected}, told {numbers[:20]}")
            if numbers and numbers[-1] > added + unchanged + rejected:
                yield Broken("every record counts", f"{import_id}: {added} + {unchanged} + {rejected}, but no. {numbers[-1]}")
            ended = one["status"] in {"completed", "failed"}
            if ended == ("due_at" in one) or ("due_at" in one) != ("due" in one) or (import_id in runs and ended):
                yield Broken("an import that has ended is looked after no more", f"{import_id}: {one['status']}")
            if not ended and one["run"] != runs.get(import_id, 0):
                yield Broken("one run of an import may write", f"{import_id}: {one['run']}, {runs.get(import_id)}")
        gone = {left["import_id"] for left in self.by_kind["import_removal"]}
        if belonging := (told.keys() - gone) | (runs.keys() - imports.keys()):
            yield Broken("what belongs to an import has one", f"{sorted(belonging)}")
        for left in self.by_kind["import_removal"]:
            if left["import_id"] in imports:
                yield Broken("an import is there or gone, not both", left["import_id"])
            if left["sk"] != f"import_removal#{left['import_id']}" or left.get("due") != "imports" or "due_at" not in left:
                yield Broken("what is left of an import is seen to by the night", left["sk"])
        for mark in self.by_kind["import_row"]:
            of = imports.get(mark["import_id"], {})  # marks stay when their import goes
            if (
                of.get("dry_run")
                or of.get("kind", mark["kind"]) != mark["kind"]
                or not (mark["numbers"] or mark.get("unchanged"))
            ):
                yield Broken("a row is marked by the import that brought it", mark["sk"])

    def _orders(self) -> Iterator[Broken]:
        """Totals to the cent, each step once, and nobody charged for nothing."""
        for order in self._of("order").values():
            order_id, lines = order["id"], order["items"]
            if order["sk"] != f"order#{order_id}":
                yield Broken("an order lies under its id", order["sk"])
            for line in lines:
                if Decimal(line["amount"]) != half_up(line["quantity"] * Fraction(line["unit_price"]), order["currency"]):
                    yield Broken("an order's amounts are right to the cent", f"{order_id}: {line['amount']}")
            if Decimal(order["total_amount"]) != sum(Decimal(line["amount"]) for line in lines):
                yield Broken("an order's total is that of its lines", f"{order_id}: {order['total_amount']}")
            done = Counter(entry["step"] for entry in order["history"] if entry["outcome"] == "done")
            edits = done.pop("EditOrder", 0)
            if edits > _MAX_EDITS:
                yield Broken("an order tells of its last edits only", f"{order_id}: {edits}")
            if max(done.values(), default=0) > 1 or not done["PlaceOrder"]:
                yield Broken("each step of an order is done once", f"{order_id}: {done}")
            if order["version"] < len(order["history"]):
                yield Broken("each step of an order moved its version", f"{order_id}: {order['version']}")
            if order["workflow_status"] not in _WORKFLOWS[order["status"]]:
                yield Broken("an order's statuses go together", f"{order_id}: {order['status']}, {order['workflow_status']}")
            unfinished = order["workflow_status"] in {"running", "compensating", "compensation_failed"}
            if (order.get("due"), "due_at" in order) != (("orders", True) if unfinished else (None, False)):
                yield Broken("an order is found until nothing is left to be done", f"{order_id}: {order.get('due')}")
            served = (order["payment_status"] == "captured", order["fulfillment_status"] == "shipped")
            if order["status"] == "CONFIRMED" and served != (True, True):
                yield Broken("what is confirmed is paid and shipped", f"{order_id}: {served}")
            if order["workflow_status"] in {"compensated", "held"} and any(served):
                yield Broken("what was undone is neither paid nor shipped", f"{order_id}: {served}")

    def _books(self) -> Iterator[Broken]:
        """What guards against charging twice is there as long as the order is."""
        orders = self._of("order")
        for item in self.by_kind["books"]:
            if item["order_id"] not in orders or item["sk"].rpartition("#")[0] != f"books#{item['order_id']}":
                yield Broken("a processor's books are of an order", item["sk"])
            if "expires_at" in item:
                yield Broken("a processor's books never expire", item["sk"])

    def _reservations(self) -> Iterator[Broken]:
        """What is taken from stock is taken for an order that goes on, or that is paid."""
        orders = self._of("order")
        reservations = {item["order_id"]: item for item in self.by_kind["reservation"]}
        for order_id, reservation in reservations.items():
            order = orders.get(order_id)
            if order is None or reservation["sk"] != f"reservation#{order_id}":
                yield Broken("a reservation has its order", reservation["sk"])
                continue
            ordered: Counter[str] = Counter()
            for line in order["items"]:
                ordered[line["product_id"]] += line["quantity"]
            if any(ordered[product_id] != units for product_id, units in reservation["units"].items()):
                yield Broken("a reservation is of what was ordered", f"{order_id}: {reservation['units']}")
            if order["workflow_status"] in {"compensated", "held", "done"}:
                yield Broken("only an order that goes on has a reservation", f"{order_id}: {order['workflow_status']}")
            if reservation["kept"] and order["payment_status"] not in {"captured", "refunded"}:
                yield Broken("what is kept was paid", f"{order_id}: {order['payment_status']}")
            on_index = (reservation.get("due"), reservation.get("due_at"))
            if on_index != ((None, None) if reservation["kept"] else ("reservations", reservation["reserved_until"])):
                yield Broken("a reservation ends unless it is kept", f"{order_id}: {on_index}")
            if "expires_at" in reservation:
                yield Broken("no reservation is swept away without being released", order_id)
        for order in orders.values():
            done = {entry["step"] for entry in order["history"] if entry["outcome"] == "done"}
            in_stock = order["status"] != "CONFIRMED" and not reservations.get(order["id"], {}).get("kept")
            if order["payment_status"] == "captured" and in_stock and "ReleaseInventory" not in done:
                yield Broken("what is paid is kept", order["id"])
            if order.get("shipping_begun") and "VoidShipment" not in done and in_stock:
                yield Broken("what may be on its way is not in stock", order["id"])

    def _of_orders(self) -> list[Plain]:
        return [change for change in self.by_kind["stock_change"] if "order_id" in change]

    def _journals(self) -> Iterator[Broken]:
        """They add up to the stock, and each order has taken what it was to take, and given back no more."""
        products, orders = self._of("product"), self._of("order")
        reservations = {item["order_id"]: item for item in self.by_kind["reservation"]}
        added: Counter[str] = Counter()
        by_order: dict[str, Counter[str]] = defaultdict(Counter)
        taken_at = {(it["order_id"], it["product_id"]): it["created_at"] for it in self._of_orders() if it["change"] < 0}
        for change in self.by_kind["stock_change"]:
            added[change["product_id"]] += change["change"]
            if ("user_id" in change) == ("order_id" in change):
                yield Broken("a change of stock is by a user or for an order", change["sk"])
            if "order_id" in change:
                by_order[change["order_id"]][change["product_id"]] -= change["change"]
                made_at = products.get(change["product_id"], {}).get("created_at", "")
                if taken_at.get((change["order_id"], change["product_id"]), "9999") < made_at < change["created_at"]:
                    yield Broken("units go back to the very product that they were taken from", change["sk"])
        for product_id in products.keys() | added.keys():
            stock = products.get(product_id, {}).get("stock", 0)
            if stock != added[product_id]:
                yield Broken("the journal adds up to the stock", f"{product_id}: {stock}, not {added[product_id]}")
        for order_id in orders.keys() | by_order.keys():
            taken = by_order[order_id]
            ordered: Counter[str] = Counter()
            for line in orders.get(order_id, {}).get("items", ()):
                ordered[line["product_id"]] += line["quantity"]
            if any(not 0 <= units <= ordered[product_id] for product_id, units in taken.items()):
                yield Broken("an order gives back no more than it has taken", f"{order_id}: {taken}")
            reservation = reservations.get(order_id)
            if reservation is not None and reservation["units"] != taken:
                yield Broken("what is reserved was taken", f"{order_id}: {reservation['units']}, not {taken}")
            sold = orders.get(order_id, {}).get("status") == "CONFIRMED"
            if sold and any(units != ordered[product_id] for product_id, units in taken.items()):
                yield Broken("what is sold was taken", f"{order_id}: {taken}")


def _totals(invoice: Plain, lines: list[Plain]) -> Iterator[Broken]:
    """VAT on the sum of each rate's lines; the total is the sum of what is printed."""
    currency = invoice["currency"]
    nets: dict[Decimal, Decimal] = defaultdict(Decimal)
    for line in lines:
        nets[Decimal(line["tax_rate"])] += Decimal(line["amount"])
    groups = {rate: (net, half_up(Fraction(net) * Fraction(rate) / 100, currency)) for rate, net in nets.items()}
    shown = {Decimal(group["rate"]): (Decimal(group["net"]), Decimal(group["vat"])) for group in invoice["vat_groups"]}
    net, vat = sum(nets.values(), Decimal()), sum((vat for _, vat in groups.values()), Decimal())
    expected = {"net": net, "vat": vat, "total": net + vat}
    if groups != shown or any(Decimal(invoice[name]) != amount for name, amount in expected.items()):
        yield Broken("totals are right to the cent", f"{invoice['number']}: {invoice['total']}, not {expected}")
    counted = (len(lines), sum(line["duration_seconds"] for line in lines))
    if (invoice["line_count"], invoice["duration_seconds"]) != counted:
        yield Broken("an invoice has all its lines", f"{invoice['number']}: {counted}")
    if invoice.get("reverse_charge") and vat:
        yield Broken("reverse charge is without VAT", invoice["number"])


def _payments(invoice: Plain) -> Iterator[Broken]:
    paid = sum((Decimal(payment["amount"]) for payment in invoice["payments"]), Decimal())
    total = Decimal(invoice["total"])
    if paid > total or (invoice["status"] == "paid" and paid != total):
        yield Broken("paid is what was paid", f"{invoice['number']}: {paid} of {total}, {invoice['status']}")
    if invoice["status"] == "issued" and paid == total and paid:
        yield Broken("paid is what was paid", f"{invoice['number']}: all of it, and still {invoice['status']}")


def _plain(attribute: Mapping[str, Any]) -> Any:
    ((tag, value),) = attribute.items()
    match tag:
        case "N":
            return int(value)
        case "SS":
            return set(value)
        case "L":
            return [_plain(part) for part in value]
        case "M":
            return {name: _plain(part) for name, part in value.items()}
    return value
