"""Bugs of the kinds that such systems have, planted into the application to see that the harness finds them.

Each patch changes a freshly imported application, also one that is imported anew after a crash.
"""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count
from typing import Any, Final

from tests.faults.campaign import Plan
from tests.faults.deliveries import at_once
from tests.faults.functions import Patch
from tests.faults.plane import Fault

SEEDS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """`breaks` are the rules by which it is to be found; `strikes` where: all faults of a kind at all calls of a name, of any
    function or of the one that is named before it.

    Without strikes it takes nothing at all, or things happening at once.
    """

    name: str
    scenario: str
    patch: Patch
    breaks: frozenset[str]
    strikes: Mapping[str, tuple[Fault, ...]]

    def plans(self, calls: Sequence[tuple[str, str]]) -> Iterator[Plan]:
        for number, (function, call) in enumerate(calls):
            for where in (call, f"{function} {call}"):
                yield from (Plan({number: fault}) for fault in self.strikes.get(where, ()))
        if not self.strikes:
            for seed in range(SEEDS):
                yield Plan(delivery=f"all at once, seed {seed}", deliver=at_once(seed))


def _part(name: str) -> Any:
    """A module of the application as it is imported at this moment, open to change."""
    return importlib.import_module(f"chalicelib.{name}")


def _unchecked_next_day(app: Any) -> None:
    """Whoever moves a client to its next invoice day does not look whether somebody else has changed it since."""
    ledger = _part("repositories.ledger")

    original = ledger.move_on

    def move_on(client: Any, next_client: Any) -> Any:
        write = original(client, next_client)
        values = {name: value for name, value in write.values.items() if not name.startswith("read_")}
        return write._replace(condition="", values=values)

    ledger.move_on = move_on


def _swallowed_partial_failure(app: Any) -> None:
    """PutEvents answered 200, so all must be well."""
    bus_class = _part("gateways.event_bus").EventBridgeBus

    original = bus_class._put

    def put(bus: Any, batch: Any) -> list[int]:
        original(bus, batch)
        return []

    bus_class._put = put


def _noted_before_sent(app: Any) -> None:
    """The delivery is noted as sent, and then the mail is handed over."""
    deliveries = _part("usecases.deliveries")

    def deliver(announcement: Any, *, office: Any) -> None:
        invoice = office.invoices.get(announcement.account_id, announcement.invoice_id)
        if invoice.delivery.message_id is not None:
            return
        mail = deliveries._invoice_mail(invoice, office)
        if mail is None:
            return
        noted = replace(
            invoice.delivery,
            status=type(invoice.delivery.status).SENT,
            recipient=mail.to,
            message_id=mail.message_id,
            sent_at=office.clock.now(),
        )
        office.invoices.save(replace(invoice, delivery=noted, version=invoice.version + 1))
        office.mailer.send(mail)

    deliveries.deliver = deliver


def _number_outside_the_transaction(app: Any) -> None:
    """The number is taken when the series is read, and the invoice written afterwards."""
    ledger = _part("repositories.ledger")

    read_series, issue = ledger.DynamoLedger.series, ledger.DynamoLedger.issue

    def series(kept: Any, account_id: str, kind: Any, year: int) -> Any:
        read = read_series(kept, account_id, kind, year)
        kept._table.transact(ledger._count_up(account_id, read))
        return read

    def issue_without_number(kept: Any, issued: Any) -> None:
        whole, kept._table = kept._table, _Without("series#", kept._table)
        try:
            issue(kept, issued)
        finally:
            kept._table = whole

    ledger.DynamoLedger.series = series
    ledger.DynamoLedger.issue = issue_without_number


class _Without:
    """A table whose transactions leave out the items whose sort keys begin so."""

    def __init__(self, prefix: str, table: Any) -> None:
        self._prefix, self._table = prefix, table

    def transact(self, *writes: Any) -> None:
        self._table.transact(*(write for write in writes if not write.target["sk"].startswith(self._prefix)))


def _acknowledged_failures(app: Any) -> None:
    """What failed is logged, and the message is gone."""
    messages = _part("edge.messages")
    original = messages.each_message

    def each_message(*arguments: Any) -> Any:
        original(*arguments)
        return {"batchItemFailures": []}

    messages.each_message = each_message


def _last_failure_first(app: Any) -> None:
    """The stream goes on after the last change that the bus did not take, instead of from the first."""
    event_of = _part("domain.events").event_of
    changes = _part("usecases.changes")

    def publish_changes(told: Any, *, bus: Any) -> int | None:
        events = [(place, event) for place, change in enumerate(told) if (event := event_of(change)) is not None]
        refused = bus.publish([event for _, event in events])
        return max((events[number][0] for number in refused), default=None)

    changes.publish_changes = publish_changes


def _unchecked_sheet(app: Any) -> None:
    """Billing does not look whether work on the sheet has changed since it was read."""
    ledger = _part("repositories.ledger")

    original = ledger._bill

    def bill(*arguments: Any) -> Any:
        write = original(*arguments)
        return write._replace(condition="", values={name: it for name, it in write.values.items() if name != "version"})

    ledger._bill = bill


def _no_claim(app: Any) -> None:
    """Nobody says that a document is being delivered."""
    deliveries = _part("usecases.deliveries")

    deliveries._claim = lambda *_: None


def _timer_apart(app: Any) -> None:
    """The entry is written, and then the timer is stopped."""
    work = _part("repositories.work")

    original = work.DynamoWork.commit

    def commit(kept: Any, change: Any) -> None:
        original(kept, replace(change, stopped=None))
        if change.stopped is not None:
            kept._table.transact(work._timer_write(change.stopped))

    work.DynamoWork.commit = commit


def _place_apart(app: Any) -> None:
    """The entry is written, and then its place in the list of days."""
    work = _part("repositories.work")

    original, place_writes = work.DynamoWork.commit, work._place_writes

    def commit(kept: Any, change: Any) -> None:
        work._place_writes = lambda _: iter(())
        original(kept, change)
        kept._table.transact(*place_writes(change))

    work.DynamoWork.commit = commit


def _mail_sent_again_by_the_library(app: Any) -> None:
    """The client of the mail service asks again by itself when it hears no answer."""
    ask_again = app.wired.documents._s3.meta.config.retries
    assert ask_again["total_max_attempts"] > 1
    mailer_class = _part("gateways.mailer").SesMailer
    original = mailer_class.send

    def send(mailer: Any, mail: Any) -> Any:
        for _ in range(ask_again["total_max_attempts"] - 1):
            try:
                return original(mailer, mail)
            except _part("domain.errors").Unavailable:
                continue
        return original(mailer, mail)

    mailer_class.send = send


def _change_feed_that_always_fails(app: Any) -> None:
    """No change can be told: each is tried as often as the mapping says, alone in the end, and given up."""

    def publish_changes(told: Any, *, bus: Any) -> int | None:
        raise ValueError("as planted")

    _part("usecases.changes").publish_changes = publish_changes


def _delivery_that_always_fails(app: Any) -> None:
    """No document can be delivered: the queue gives up after five times."""

    def deliver(announcement: Any, *, office: Any) -> None:
        raise ValueError("as planted")

    _part("usecases.deliveries").deliver = deliver


def _index_takes_whatever_comes(app: Any) -> None:
    """The last of what comes is what counts, whatever its version."""
    index_class = _part("repositories.full_text").FullTextIndex

    index_class.news = lambda _index, changes: list({(change.type, change.id): change for change in changes}.values())


def _index_written_without_condition(app: Any) -> None:
    """Whoever writes the index does not look whether it still is what was copied."""
    index_class = _part("repositories.search_index").S3SearchIndex

    original = index_class._put

    def put(index: Any, account_id: str, path: Any, etag: str | None) -> bool:
        whole, index._s3 = index._s3, _Unconditional(index._s3)
        try:
            written: bool = original(index, account_id, path, etag)
        finally:
            index._s3 = whole
        return written

    index_class._put = put


class _Unconditional:
    """S3, written to in any case."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def put_object(self, **request: Any) -> Any:
        return self._s3.put_object(**{name: it for name, it in request.items() if name not in ("IfMatch", "IfNoneMatch")})


def _index_that_forgives_itself(app: Any) -> None:
    """An index that cannot be written is logged, and its changes are done with."""
    search = _part("usecases.search")

    original = search.index_changes

    class Nowhere:
        def ask_for(self, _stale: object) -> None:
            pass

    class Forgiving:
        reindex_queue = Nowhere()

        def __init__(self, library: Any) -> None:
            self._library = library

        def __getattr__(self, name: str) -> Any:
            return getattr(self._library, name)

    def index_changes(changes: Any, *, library: Any) -> int | None:
        result: int | None = original(changes, library=Forgiving(library))
        return result

    search.index_changes = index_changes


def _version_from_the_start(app: Any) -> None:
    """A product under an id that was used before begins at its first version again."""
    products_class = _part("repositories.products").DynamoProducts

    original = products_class._version_item

    def version_item(kept: Any, product: Any) -> Any:
        return {**original(kept, product), "version": 0}

    products_class._version_item = version_item


def _stock_read_then_written(app: Any) -> None:
    """The stock is read, and what comes of it is written."""
    products = _part("repositories.products")
    items, table = _part("repositories.items"), _part("repositories.writes")

    def change(kept: Any, change: Any) -> None:
        key = products.keys.product(change.account_id, change.product_id)
        item = kept._table.find(key)
        refusal = change.refusal(item.get("stock"))
        if refusal is not None:
            raise refusal
        counted = table.update(
            key,
            "SET #stock = :stock, #version = #version + :one, #updated_at = :now",
            stock=item["stock"] + change.change,
            one=1,
            now=products.keys.instant(change.created_at),
        )
        noted = products.keys.stock_change(change.account_id, change.product_id, change.id)
        kept._table.transact(counted, table.add(items.to_item(noted, "stock_change", change)))

    products.DynamoStock.change = change


def _stock_without_its_journal(app: Any) -> None:
    """The stock is changed, and then the change is noted."""
    stock_class = _part("repositories.products").DynamoStock

    original = stock_class.change

    def change(kept: Any, change: Any) -> None:
        whole, kept._table = kept._table, _OneByOne(kept._table)
        try:
            original(kept, change)
        finally:
            kept._table = whole

    stock_class.change = change


class _OneByOne:
    """A table whose transactions are of one item each."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def transact(self, *writes: Any) -> None:
        for write in writes:
            self._table.transact(write)


def _payment_without_key(app: Any) -> None:
    """Each time that a payment is asked for, it is another one."""
    payments_class = _part("gateways.sandbox_payments").SandboxPayments
    asked = count(1)

    original = payments_class.capture

    def capture(payments: Any, key: Any, *arguments: Any) -> Any:
        another = f"{key.step}-{next(asked)}-{int(1000 * app.wired.clock.seconds())}"
        return original(payments, key._replace(step=another), *arguments)

    payments_class.capture = capture


def _given_back_apart(app: Any) -> None:
    """The units go back to stock, and then the reservation and the order are written."""
    reservations_class = _part("repositories.orders").DynamoReservations

    original = reservations_class.release

    def release(kept: Any, *arguments: Any, **more: Any) -> None:
        whole, kept._table = kept._table, _LastFirst(kept._table)
        try:
            original(kept, *arguments, **more)
        finally:
            kept._table = whole

    reservations_class.release = release


def _given_back_unnoted(app: Any) -> None:
    """The units go back to stock, and the journal does not hear of it."""
    repository = _part("repositories.orders")

    original = repository.noted_change

    def noted_change(change: Any) -> Any:
        return original(change if change is not None and change.change < 0 else None)

    repository.noted_change = noted_change


class _LastFirst:
    """A table whose transactions are of one item each, the last of them first."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def transact(self, *writes: Any) -> None:
        for write in reversed(writes):
            self._table.transact(write)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


def _late_capture_forgotten(app: Any) -> None:
    """Whose reservation has ended has not been charged, one would think."""
    steps = _part("usecases.order_steps")

    original = steps.refund_payment

    def refund_payment(job: Any, **more: Any) -> None:
        if job.error != "ReservationExpired":
            original(job, **more)

    steps.refund_payment = refund_payment


def _workflow_without_name(app: Any) -> None:
    """Step Functions thinks of a name for itself."""
    workflow_class = _part("gateways.order_workflow").StepFunctionsWorkflow

    original = workflow_class.start

    def start(workflow: Any, account_id: str, order_id: str) -> bool:
        whole, workflow._stepfunctions = workflow._stepfunctions, _Nameless(workflow._stepfunctions)
        try:
            return bool(original(workflow, account_id, order_id))
        finally:
            workflow._stepfunctions = whole

    workflow_class.start = start


class _Nameless:
    """Step Functions, whose executions have no names."""

    def __init__(self, stepfunctions: Any) -> None:
        self._stepfunctions = stepfunctions
        self.exceptions = stepfunctions.exceptions

    def start_execution(self, **request: Any) -> Any:
        return self._stepfunctions.start_execution(**{member: it for member, it in request.items() if member != "name"})


def _settled_for_good(app: Any) -> None:
    """An image that has had a result is done with, whatever is uploaded later."""
    _part("usecases.images").is_settled = lambda image, _file: image.made_from is not None


def _removed_without_a_trace(app: Any) -> None:
    """The image goes, and nobody knows what of it is still to be removed."""
    images_class = _part("repositories.images").DynamoImages

    original = images_class.remove

    def remove(kept: Any, image: Any, removal: Any) -> None:
        whole, kept._table = kept._table, _Without("image_removal#", kept._table)
        try:
            original(kept, image, removal)
        finally:
            kept._table = whole

    images_class.remove = remove


def _nothing_dropped(app: Any) -> None:
    """Thumbnails that nobody will hear of stay, also over those that count."""
    _part("repositories.files").S3Files.drop = lambda *_: None
    _part("usecases.images")._are_newest = lambda *_: True


def _dropped_with_all_others(app: Any) -> None:
    """Who was slower removes its thumbnails, and those of who was faster."""
    files_class = _part("repositories.files").S3Files

    files_class.drop = lambda files, key, _version_id: files.remove(key)


def _removed_with_what_came_since(app: Any) -> None:
    """With an upload that was rejected everything under its key is removed."""
    files_class = _part("repositories.files").S3Files

    original = files_class.remove
    files_class.remove = lambda files, key, _through=None: original(files, key)


def _uploads_that_failed_forgotten(app: Any) -> None:
    """What failed is logged, and Lambda is told that all is well."""
    uploads = _part("edge.uploads")

    original = uploads.each_upload

    def each_upload(*arguments: Any) -> None:
        with suppress(Exception):
            original(*arguments)

    uploads.each_upload = each_upload


def _image_that_nobody_waits_for(app: Any) -> None:
    """A new image is not on the index of what the night looks after."""
    images = _part("repositories.images")

    original = images._image_item

    def image_item(image: Any) -> Any:
        return {name: it for name, it in original(image).items() if name != "due"}

    images._image_item = image_item


def _thumbnails_that_always_fail(app: Any) -> None:
    """No image can be made thumbnails of: Lambda gives up after three times."""

    def draw(*_: Any) -> Any:
        raise ValueError("as planted")

    _part("gateways.thumbnailer").PillowThumbnailer.draw = draw


def _import_that_always_fails(app: Any) -> None:
    """No file can be read: the queue gives up after three times."""

    def rows(*_: Any) -> Any:
        raise ValueError("as planted")

    _part("edge.import_files").rows = rows


def _row_marked_apart(app: Any) -> None:
    """The row goes in, and it is marked in another transaction."""
    table, notes, once = (_part(f"repositories.{name}") for name in ("table", "notes", "once"))

    original = table.Table.transact

    def transact(kept: Any, *writes: Any) -> None:
        note = table.next_note()
        if note is None or not isinstance(note.what, once.ImportedRow):
            original(kept, *writes)
            return
        note.noted = True
        try:
            original(kept, *writes)
        except BaseException:
            note.noted = False
            raise
        kept.send(notes._import_of(note.what))

    table.Table.transact = transact


def _refusals_apart(app: Any) -> None:
    """The import's progress is saved, and then what was refused."""
    imports = _part("repositories.imports")

    original = imports.DynamoImports.save

    def save(kept: Any, imported: Any, rejections: Any = ()) -> None:
        original(kept, imported)
        if rejections:
            kept._table.transact(*imports._rejected(imported, rejections))

    imports.DynamoImports.save = save


def _run_that_asks_for_itself(app: Any) -> None:
    """A run asks for the next one in the same words in which it was asked for: the queue takes that for a repetition."""
    queue_class = _part("gateways.imports_queue").SqsImportsQueue

    original = queue_class.ask_for
    queue_class.ask_for = lambda queue, job, place: original(queue, job, place.rpartition("\n")[0])


def _run_that_goes_on(app: Any) -> None:
    """The import goes, and whoever works it off may write on."""
    imports_class = _part("repositories.imports").DynamoImports

    original = imports_class.remove

    def remove(kept: Any, imported: Any, removal: Any) -> None:
        whole, kept._table = kept._table, _Without("import_run#", kept._table)
        try:
            original(kept, imported, removal)
        finally:
            kept._table = whole

    imports_class.remove = remove


def _taken_up_again(app: Any) -> None:
    """An import that is completed is worked off once more when its message comes again."""
    imports = _part("usecases.imports")

    original = imports.take_up

    def take_up(imported: Any, *, now: Any) -> Any:
        completed = imported.status is imports.ImportStatus.COMPLETED
        return original(replace(imported, status=imports.ImportStatus.PROCESSING) if completed else imported, now=now)

    imports.take_up = take_up


def _marks_in_a_dry_run(app: Any) -> None:
    """A dry run marks the rows that would go in."""
    import_run = _part("usecases.import_run")

    original = import_run.Run._put_in

    def put_in(run: Any, number: int, row: Any, marks: Any, **more: Any) -> Any:
        outcome = original(run, number, row, marks, **more)
        if run._imported.dry_run and outcome is True:
            before = marks.get(row.subject)
            marks[row.subject] = import_run.mark_after(before, row, run._imported, number)
            run._desk.row_marks.put(marks[row.subject], before, run._imported.run)
        return outcome

    import_run.Run._put_in = put_in


def _dry_run_that_does_not_look(app: Any) -> None:
    """A dry run takes every row that could be written for one that will be, whatever is there."""
    rehearsal = _part("usecases.import_run")._Rehearsal

    original = rehearsal.noting

    @contextmanager
    def noting(desk: Any) -> Iterator[Any]:
        with original(desk):
            yield desk
            desk.noted = True

    rehearsal.noting = noting


def _array_read_on_at_its_comma(app: Any) -> None:
    """The place behind an element is that of the comma."""
    array = _part("domain.records.json_array")

    original = array._elements

    def elements(*arguments: Any) -> Iterator[Any]:
        for element in original(*arguments):
            yield element._replace(size=element.size - (element.sign == ","))

    array._elements = elements


def _characters_for_bytes(app: Any) -> None:
    """A place in a file is counted in characters."""
    text = _part("domain.records.text")

    original = text.lines

    def lines(*arguments: Any) -> Iterator[Any]:
        for line in original(*arguments):
            yield line if line.text is None else line._replace(size=len(line.text))

    text.lines = lines
    _part("domain.records.json_lines").lines = lines


def _lines_counted_anew(app: Any) -> None:
    """Each run counts the file's lines from where it begins."""
    record = _part("domain.records.record")

    original = record.Cursor.of
    record.Cursor.of = classmethod(lambda _, plain: original(plain)._replace(line=1))


def _one_line_for_all(app: Any) -> None:
    """All accounts' imports wait for each other."""
    queue_class = _part("gateways.imports_queue").SqsImportsQueue

    def ask_for(queue: Any, job: Any, place: str) -> None:
        place_id = sha256(place.encode()).hexdigest()
        queue._queue.send_in_turn(job, group="all", deduplication_id=place_id)

    queue_class.ask_for = ask_for


def _given_up_without_a_word(app: Any) -> None:
    """An import whose message is put away seems to be on its way for ever."""
    _part("usecases.imports")._give_up = lambda *_: True


def _given_up_for_good(app: Any) -> None:
    """An import that has failed on our side is over: its message may come again, and nothing happens."""
    imports = _part("usecases.imports")

    imports.interrupt = lambda imported, *, now: imports.fail(imported, "it failed again and again", now=now)


def _begun_again(app: Any) -> None:
    """An import that is put back begins at its first record."""
    imports = _part("usecases.imports")

    original = imports.interrupt

    def interrupt(imported: Any, *, now: Any) -> Any:
        return replace(original(imported, now=now), cursor=None, bytes_read=0)

    imports.interrupt = interrupt


def _last_failure_forgiven(app: Any) -> None:
    """With the last of its tries an import fails, and that is that: there is no message to put back."""
    imports = _part("usecases.imports")

    original = imports.go_on

    def go_on(*arguments: Any, tries: int, **more: Any) -> None:
        with suppress(_part("domain.errors").Unavailable) if tries >= imports.MAX_TRIES else nullcontext():
            original(*arguments, tries=tries, **more)

    imports.go_on = go_on


_GIVEN_UP = frozenset({"nothing is left in a dead-letter queue"})
_ONE_INVOICE = frozenset({"exactly one invoice for each client and period"})
_ALL_TOLD = frozenset({"every change is told"})
_NUMBERS = frozenset({"numbers without gap or repeat"})
_INDEXED = frozenset({"the index is what the table says"})
_AS_DESERVED = frozenset({"an image ends as its upload deserves"})
_ALL_COUNTED = frozenset({"the counts add up to the file's records"})
_REPORTED_ONCE = frozenset({"every bad row is reported once"})
_DIES: Final = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER)


def _unnoted_effect(app: Any) -> None:
    """What a keyed request did is noted only with its answer."""
    _part("repositories.table").next_note = lambda: None


BUGS: Final = (
    Bug(
        name="an effect that is not noted in its own transaction",
        scenario="keyed",
        patch=_unnoted_effect,
        breaks=frozenset({"a keyed request takes effect once", "as many as there should be"}),
        strikes={"dynamodb.TransactWriteItems": _DIES},
    ),
    Bug(
        name="a missing condition on the client's next day",
        scenario="edits",
        patch=_unchecked_next_day,
        breaks=frozenset({"who has an invoice day is waiting for it", "changes are told in order"}),
        strikes={},
    ),
    Bug(
        name="a swallowed partial failure of PutEvents",
        scenario="catalogue",
        patch=_swallowed_partial_failure,
        breaks=_ALL_TOLD,
        strikes={"eventbridge.PutEvents": (Fault.PARTIAL,)},
    ),
    Bug(
        name="a delivery noted as sent before the mail is handed over",
        scenario="invoice",
        patch=_noted_before_sent,
        breaks=frozenset({"at least one mail for each document"}),
        strikes={"dynamodb.TransactWriteItems": _DIES, "ses.SendRawEmail": _DIES},
    ),
    Bug(
        name="a number taken outside of the transaction",
        scenario="invoice",
        patch=_number_outside_the_transaction,
        breaks=_NUMBERS,
        strikes={"dynamodb.TransactWriteItems": _DIES},
    ),
    Bug(
        name="a queue's handler that acknowledges what failed",
        scenario="night",
        patch=_acknowledged_failures,
        breaks=_ONE_INVOICE,
        strikes={"dynamodb.TransactWriteItems": (Fault.SERVER_ERROR_ON,)},
    ),
    Bug(
        name="a stream's handler that returns the last failed number",
        scenario="night",
        patch=_last_failure_first,
        breaks=_ALL_TOLD,
        strikes={"eventbridge.PutEvents": (Fault.PARTIAL,)},
    ),
    Bug(
        name="a sheet's version that is not checked",
        scenario="rush",
        patch=_unchecked_sheet,
        breaks=frozenset({"a line is its entry as it was billed", "every entry is billed once", "sheets and invoice agree"}),
        strikes={},
    ),
    Bug(
        name="no claim on a delivery",
        scenario="invoice",
        patch=_no_claim,
        breaks=frozenset({"two mails only where the note was lost"}),
        strikes={},
    ),
    Bug(
        name="a timer stopped after its entry was written",
        scenario="work",
        patch=_timer_apart,
        breaks=frozenset({"as many as there should be"}),
        strikes={"dynamodb.TransactWriteItems": _DIES},
    ),
    Bug(
        name="an entry's place written after the entry",
        scenario="work",
        patch=_place_apart,
        breaks=frozenset({"each entry has one place in the list of days"}),
        strikes={"dynamodb.TransactWriteItems": _DIES},
    ),
    Bug(
        name="a mail that the library sends again by itself",
        scenario="invoice",
        patch=_mail_sent_again_by_the_library,
        breaks=frozenset({"two mails only where the note was lost"}),
        strikes={"ses.SendRawEmail": (Fault.ANSWERS_LOST_ON,)},
    ),
    Bug(
        name="a change feed that always fails",
        scenario="invoice",
        patch=_change_feed_that_always_fails,
        breaks=_GIVEN_UP,
        strikes={},
    ),
    Bug(
        name="a delivery that always fails",
        scenario="invoice",
        patch=_delivery_that_always_fails,
        breaks=_GIVEN_UP,
        strikes={},
    ),
    Bug(
        name="an index that takes whatever comes",
        scenario="catalogue",
        patch=_index_takes_whatever_comes,
        breaks=_INDEXED,
        strikes={},
    ),
    Bug(
        name="an index written without If-Match",
        scenario="catalogue",
        patch=_index_written_without_condition,
        breaks=_INDEXED,
        strikes={},
    ),
    Bug(
        name="an index that does without what it could not write",
        scenario="catalogue",
        patch=_index_that_forgives_itself,
        breaks=_INDEXED,
        strikes={"s3.PutObject": (Fault.SERVER_ERROR_ON,)},
    ),
    Bug(
        name="a product that was deleted and begins at version 1 again",
        scenario="catalogue",
        patch=_version_from_the_start,
        breaks=_INDEXED,
        strikes={},
    ),
    Bug(
        name="a stock that is read and then written",
        scenario="stock",
        patch=_stock_read_then_written,
        breaks=frozenset({"stock is what the journal says"}),
        strikes={},
    ),
    Bug(
        name="a change of stock noted after it was made",
        scenario="stock",
        patch=_stock_without_its_journal,
        breaks=frozenset({"stock is what the journal says"}),
        strikes={"dynamodb.TransactWriteItems": _DIES},
    ),
    Bug(
        name="a payment without a key",
        scenario="orders",
        patch=_payment_without_key,
        breaks=frozenset({"an order is charged once"}),
        strikes={"process_payment dynamodb.TransactWriteItems": _DIES},
    ),
    Bug(
        name="units given back before it is noted",
        scenario="orders",
        patch=_given_back_apart,
        breaks=frozenset({"the stock is what is left"}),
        strikes={"release_inventory dynamodb.TransactWriteItems": _DIES},
    ),
    Bug(
        name="units given back without a word in the journal",
        scenario="orders",
        patch=_given_back_unnoted,
        breaks=frozenset({"journals say what orders have taken"}),
        strikes={},
    ),
    Bug(
        name="a capture that is not undone when the reservation has ended",
        scenario="orders",
        patch=_late_capture_forgotten,
        breaks=frozenset({"who is charged has what was ordered"}),
        strikes={},
    ),
    Bug(
        name="a workflow started without a name",
        scenario="orders",
        patch=_workflow_without_name,
        breaks=frozenset({"no order has two executions"}),
        strikes={"sfn.StartExecution": _DIES},
    ),
    Bug(
        name="an image that is settled for good",
        scenario="images",
        patch=_settled_for_good,
        breaks=frozenset({"what an item names is the newest"}),
        strikes={},
    ),
    Bug(
        name="an image removed without a trace",
        scenario="images",
        patch=_removed_without_a_trace,
        breaks=frozenset({"no object is without its item"}),
        strikes={"api_handler dynamodb.TransactWriteItems": (Fault.CRASH_AFTER,)},
    ),
    Bug(
        name="thumbnails that nobody hears of and that stay",
        scenario="images",
        patch=_nothing_dropped,
        breaks=frozenset({"what an item names is the newest"}),
        strikes={},
    ),
    Bug(
        name="thumbnails dropped with all others",
        scenario="images",
        patch=_dropped_with_all_others,
        breaks=frozenset({"no item is without its objects"}),
        strikes={},
    ),
    Bug(
        name="an upload removed with what came since",
        scenario="images",
        patch=_removed_with_what_came_since,
        breaks=_AS_DESERVED,
        strikes={},
    ),
    Bug(
        name="uploads that failed and are forgotten",
        scenario="images",
        patch=_uploads_that_failed_forgotten,
        breaks=_AS_DESERVED,
        strikes={"on_upload s3.PutObject": (Fault.SERVER_ERROR_ON,)},
    ),
    Bug(
        name="an image that nobody waits for",
        scenario="images",
        patch=_image_that_nobody_waits_for,
        breaks=frozenset({"every image ends ready or rejected"}),
        strikes={},
    ),
    Bug(
        name="thumbnails that always fail",
        scenario="images",
        patch=_thumbnails_that_always_fail,
        breaks=_GIVEN_UP,
        strikes={},
    ),
    Bug(
        name="an import that always fails",
        scenario="imports",
        patch=_import_that_always_fails,
        breaks=_GIVEN_UP,
        strikes={},
    ),
    Bug(
        name="a row that is marked apart",
        scenario="imports",
        patch=_row_marked_apart,
        breaks=frozenset({"every good row is in once"}),
        strikes={"on_import dynamodb.TransactWriteItems": _DIES},
    ),
    Bug(
        name="refusals saved apart from the progress",
        scenario="imports",
        patch=_refusals_apart,
        breaks=frozenset({"every bad row is reported once"}),
        strikes={"on_import dynamodb.TransactWriteItems": _DIES},
    ),
    Bug(
        name="a run that asks for itself",
        scenario="imports",
        patch=_run_that_asks_for_itself,
        breaks=frozenset({"every import ends"}),
        strikes={},
    ),
    Bug(
        name="an import that is taken up again",
        scenario="imports",
        patch=_taken_up_again,
        breaks=frozenset({"an import is completed once"}),
        strikes={},
    ),
    Bug(
        name="a dry run that marks rows",
        scenario="formats",
        patch=_marks_in_a_dry_run,
        breaks=frozenset({"a dry run leaves nothing"}),
        strikes={},
    ),
    Bug(
        name="a dry run that does not look at what is there",
        scenario="formats",
        patch=_dry_run_that_does_not_look,
        breaks=frozenset({"a dry run says what the import will do"}),
        strikes={},
    ),
    Bug(
        name="an array that is read on at its comma",
        scenario="formats",
        patch=_array_read_on_at_its_comma,
        breaks=_ALL_COUNTED,
        strikes={},
    ),
    Bug(
        name="a place that is counted in characters",
        scenario="formats",
        patch=_characters_for_bytes,
        breaks=_ALL_COUNTED,
        strikes={},
    ),
    Bug(
        name="lines that each run counts anew",
        scenario="formats",
        patch=_lines_counted_anew,
        breaks=_REPORTED_ONCE,
        strikes={},
    ),
    Bug(
        name="one queue's group for all accounts",
        scenario="redrive",
        patch=_one_line_for_all,
        breaks=frozenset({"all others go on"}),
        strikes={},
    ),
    Bug(
        name="an import that is given up without a word",
        scenario="redrive",
        patch=_given_up_without_a_word,
        breaks=frozenset({"what is given up says so"}),
        strikes={},
    ),
    Bug(
        name="an import that is given up for good",
        scenario="redrive",
        patch=_given_up_for_good,
        breaks=_ALL_COUNTED,
        strikes={},
    ),
    Bug(
        name="an import that begins again when it is put back",
        scenario="redrive",
        patch=_begun_again,
        breaks=_REPORTED_ONCE,
        strikes={},
    ),
    Bug(
        name="an import whose last failure is forgiven",
        scenario="redrive",
        patch=_last_failure_forgiven,
        breaks=frozenset({"what is given up is in its own queue"}),
        strikes={},
    ),
    Bug(
        name="a run that goes on when its import is gone",
        scenario="deletion",
        patch=_run_that_goes_on,
        breaks=frozenset({"nothing of an import goes in once it is gone"}),
        strikes={},
    ),
)
