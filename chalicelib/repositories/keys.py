"""How every item is keyed, here and nowhere else.

The table: partition key `pk`, sort key `sk`, and one sparse index `due` (hash key `due`, range key `due_at`). All that belongs
to an account lies under its id as `pk`, which comes from the caller's token: no id that a caller sends leads out of it.

what is asked                              | pk             | sk                                      | how
-------------------------------------------|----------------|-----------------------------------------|---------------------------
the account                                | account        | account                                 | get
who signs in with an address               | email#<digest> | sign_in                                 | get
a user; users, newest first                | account        | user#<user>                             | get; query
which users are owners                     | account        | owners                                  | only in conditions
a client; clients, newest first            | account        | client#<client>                         | get; query
clients that are due, of all accounts      | due = "due"    | due_at <= now (only on the index)       | query
a work entry; all of them, for the index   | account        | work#<entry>                            | get; query
work by day, newest first; a user's spans  | account        | workday#<day>#<started_at or ->#<entry> | query
work of a client's month, open or billed  | account        | sheet#<client>#<month>                  | get; query by month
the version of a user's calendar           | account        | calendar#<user>                         | get
the running timer                          | account        | timer#<user>                            | get
the numbers taken in a year                | account        | series#<kind>#<year>                    | get
an invoice; invoices, newest first         | account        | invoice#<invoice>                       | get; query
an invoice's lines                         | account        | lines#<invoice>#<chunk>                 | query
a credit note                              | account        | credit#<note>                           | get
what a night did                           | account        | report#<day>#<client>#<invoice day>     | query by day
a product; products, by id                 | account        | product#<product>                       | get; query
the last version of a product that is gone | account        | product_version#<product>               | get; for 30 days
a product's stock changes, newest first    | account        | stock#<product>#<change>                | query
an order; orders, newest first             | account        | order#<order>                           | get; query
what an order has taken from stock         | account        | reservation#<order>                     | get
reservations that ended, of all accounts   | due = "reser-  | due_at <= now (only on the index)       | query
                                           |   vations"     |                                         |
orders long under way, or given up         | due = "orders" | due_at <= now (only on the index)       | query
what a processor or a carrier did for a    | account        | books#<order>#<step>                    | get; update
step of an order                           |                |                                         |
an import; imports, newest first           | account        | import#<import>                         | get; query
why an import's records were refused       | account        | import_rejections#<import>#<count>      | query
which run of an import may write           | account        | import_run#<import>                     | only in conditions
what was imported last of a subject        | account        | import_row#<kind>#<subject>             | get
what is left of an import that is gone     | account        | import_removal#<import>                 | get
imports to look after, of all accounts     | due = "imports" | due_at <= now (only on the index)      | query
an image; images, newest first             | account        | image#<image>                           | get; query
what is left of an image that is gone      | account        | image_removal#<image>                   | get
images to look after, of all accounts      | due = "images" | due_at <= now (only on the index)       | query

The ephemeral table: `pk` and `sk` too, no index, no stream; every item has `expires_at` (seconds since 1970), after which
DynamoDB removes it, some day: so whoever reads it looks at the time, too.

what is asked                              | pk                        | sk                           | how
-------------------------------------------|---------------------------|------------------------------|---------------------------
a user's requests in a window              | requests#<account>#<user> | <the window's first second>  | add
requests from an address in a window       | requests#<address>        | <the window's first second>  | add
attempts at passwords, by address or user  | sign_ins#<address, user>  | series                       | get; put
what is kept of a keyed request            | request#<digest>          | request                      | get; put; update; delete
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.domain.errors import NotFound
from chalicelib.domain.users import Caller

if TYPE_CHECKING:
    from chalicelib.domain.billing import DocumentKind
    from chalicelib.domain.orders import StepKey
    from chalicelib.domain.reports import DueOutcome
    from chalicelib.domain.work import WorkEntry

DUE_INDEX = "due"
DUE = "due"
"""The partition of the index `due` that has clients."""
RESERVATIONS = "reservations"
"""The one that has reservations."""
ORDERS = "orders"
"""The one that has orders, as long as they are under way, and those that were given up until somebody has settled them."""
IMPORTS = "imports"
"""The one that has imports of which something is to be seen to."""
_SUBJECT = re.compile(r"~[A-Za-z0-9_-]{1,64}", re.ASCII)
IMAGES = "images"
"""The one that has images of which something is to be seen to."""
_PART = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_AFTER_ALL = "~"
"""Sorts after every character that a part of a sort key begins with; within a product's id it may stand as well."""
_NO_HOUR = "-"
"""Sorts before every instant: in a list, newest first, work at no particular hour ends its day."""


class Key(NamedTuple):
    pk: str
    sk: str


class Range(NamedTuple):
    """The items of one partition from the sort key `low` to `high`, inclusive."""

    pk: str
    low: str
    high: str


def account(account_id: str) -> Key:
    return Key(_part(account_id), "account")


def sign_in(email: str) -> Key:
    """By a digest: the address itself need not stand in a key."""
    return Key(f"email#{hashlib.sha256(email.encode(errors='surrogatepass')).hexdigest()}", "sign_in")


def user(account_id: str, user_id: str) -> Key:
    return _key(account_id, "user", user_id)


def users(account_id: str) -> Range:
    return _range(account_id, "user")


def owners(account_id: str) -> Key:
    return Key(_part(account_id), "owners")


def client(account_id: str, client_id: str) -> Key:
    return _key(account_id, "client", client_id)


def clients(account_id: str) -> Range:
    return _range(account_id, "client")


def work(account_id: str, entry_id: str) -> Key:
    return _key(account_id, "work", entry_id)


def work_entries(account_id: str) -> Range:
    return _range(account_id, "work")


def workday(entry: WorkEntry) -> Key:
    started_at = instant(entry.started_at) if entry.started_at else _NO_HOUR
    return Key(_part(entry.account_id), f"workday#{entry.day.isoformat()}#{started_at}#{_part(entry.id)}")


def workdays(account_id: str, first_day: date | None, last_day: date | None) -> Range:
    """Both days inclusive, None means no matter."""
    low = first_day.isoformat() if first_day else ""
    high = f"{last_day.isoformat()}#" if last_day else ""
    return Range(_part(account_id), f"workday#{low}", f"workday#{high}{_AFTER_ALL}")


def workdays_touching(account_id: str, since: datetime, until: datetime) -> Range:
    """All work that may touch that time: begun no longer before than work lasts, on the day of any zone."""
    from chalicelib.domain.work import MAX_DURATION

    one_day = timedelta(days=1)
    return workdays(account_id, (since - MAX_DURATION - one_day).date(), (until + one_day).date())


def sheet(account_id: str, client_id: str, month: str) -> Key:
    return _key(account_id, "sheet", client_id, month)


def sheets_through(account_id: str, client_id: str, month: str) -> Range:
    prefix = f"sheet#{_part(client_id)}#"
    return Range(_part(account_id), prefix, prefix + _part(month))


def calendar(account_id: str, user_id: str) -> Key:
    return _key(account_id, "calendar", user_id)


def timer(account_id: str, user_id: str) -> Key:
    return _key(account_id, "timer", user_id)


def series(account_id: str, kind: DocumentKind, year: int) -> Key:
    return _key(account_id, "series", kind.value, str(year))


def invoice(account_id: str, invoice_id: str) -> Key:
    return _key(account_id, "invoice", invoice_id)


def invoices(account_id: str) -> Range:
    return _range(account_id, "invoice")


def lines(account_id: str, invoice_id: str, chunk: int) -> Key:
    return _key(account_id, "lines", invoice_id, f"{chunk:04d}")


def all_lines(account_id: str, invoice_id: str) -> Range:
    return _range(account_id, "lines", invoice_id)


def credit_note(account_id: str, note_id: str) -> Key:
    return _key(account_id, "credit", note_id)


def outcome(of: DueOutcome) -> Key:
    return _key(of.account_id, "report", of.run_on.isoformat(), of.client_id, of.due_on.isoformat())


def outcomes(account_id: str, run_on: date) -> Range:
    return _range(account_id, "report", run_on.isoformat())


def product(account_id: str, product_id: str) -> Key:
    return Key(_part(account_id), f"product#{_product(product_id)}")


def products(account_id: str) -> Range:
    return _range(account_id, "product")


def product_version(account_id: str, product_id: str) -> Key:
    return Key(_part(account_id), f"product_version#{_product(product_id)}")


def stock_change(account_id: str, product_id: str, change_id: str) -> Key:
    return Key(_part(account_id), f"stock#{_product(product_id)}#{_part(change_id)}")


def stock_changes(account_id: str, product_id: str) -> Range:
    prefix = f"stock#{_product(product_id)}#"
    return Range(_part(account_id), prefix, prefix + _AFTER_ALL)


def order(account_id: str, order_id: str) -> Key:
    return _key(account_id, "order", order_id)


def orders(account_id: str) -> Range:
    return _range(account_id, "order")


def reservation(account_id: str, order_id: str) -> Key:
    return _key(account_id, "reservation", order_id)


def reserved_for(key: Key) -> str:
    """The order that a reservation is for, by the key of the reservation."""
    return key.sk.removeprefix("reservation#")


def import_(account_id: str, import_id: str) -> Key:
    return _key(account_id, "import", import_id)


def imports(account_id: str) -> Range:
    return _range(account_id, "import")


def import_rejections(account_id: str, import_id: str, before: int) -> Key:
    """`before` is how many were rejected before them."""
    return _key(account_id, "import_rejections", import_id, f"{before:09d}")


def all_import_rejections(account_id: str, import_id: str) -> Range:
    return _range(account_id, "import_rejections", import_id)


def import_run(account_id: str, import_id: str) -> Key:
    return _key(account_id, "import_run", import_id)


def import_removal(account_id: str, import_id: str) -> Key:
    return _key(account_id, "import_removal", import_id)


def import_id_of(key: Key) -> str:
    """The import that is there, or is gone, by the key of either."""
    return key.sk.partition("#")[2]


def import_row(account_id: str, kind: str, subject: str) -> Key:
    """A subject is a product's own id, or begins with a tilde."""
    named = subject if _SUBJECT.fullmatch(subject) else _product(subject)
    return Key(_part(account_id), f"import_row#{_part(kind)}#{named}")


def image(account_id: str, image_id: str) -> Key:
    return _key(account_id, "image", image_id)


def images(account_id: str) -> Range:
    return _range(account_id, "image")


def image_removal(account_id: str, image_id: str) -> Key:
    return _key(account_id, "image_removal", image_id)


def image_id_of(key: Key) -> str:
    """The image that is there, or is gone, by the key of either."""
    return key.sk.partition("#")[2]


def requests(who: Caller | str, window: int) -> Key:
    """`window` begins at that second; an address is no id and has none of a key's own characters in it."""
    whose = f"{_part(who.account_id)}#{_part(who.user_id)}" if isinstance(who, Caller) else who
    return Key(f"requests#{whose}", str(window))


def sign_ins(address: str) -> Key:
    return Key(f"sign_ins#{address}", "series")


def keyed_request(request_id: str) -> Key:
    """In the ephemeral table."""
    return Key(f"request#{_part(request_id)}", "request")


def books(key: StepKey) -> Key:
    return _key(key.account_id, "books", key.order_id, key.step)


def instant(at: datetime) -> str:
    """RFC 3339 in whole seconds: one length, so that text sorts as time."""
    return at.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _key(account_id: str, *parts: str) -> Key:
    return Key(_part(account_id), "#".join(_part(part) for part in parts))


def _range(account_id: str, *parts: str) -> Range:
    prefix = "#".join(_part(part) for part in parts) + "#"
    return Range(_part(account_id), prefix, prefix + _AFTER_ALL)


def _part(text: str) -> str:
    """Raises: NotFound for what no key holds: no id of ours, however long, and nothing that would read as two parts."""
    if _PART.fullmatch(text) is None:
        raise NotFound
    return text


def _product(text: str) -> str:
    """A shop's own article number: no `#` is in it either. Raises: NotFound for what no product is called."""
    from chalicelib.domain.products import is_product_id

    if not is_product_id(text):
        raise NotFound
    return text
