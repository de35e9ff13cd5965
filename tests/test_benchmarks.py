"""The benchmarks run, on a small scale. What they count is tested here for whole requests about products and for orders, for
all else in tests/contract/test_costs.py; times are never tested."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path

import pytest

from benchmarks import catalogue, cold_start, costs, feed, hostile_files, imports, in_process, orders, search
from benchmarks.runtime_api import FunctionFailed, Life, Program, live
from chalicelib.domain import errors
from chalicelib.domain.statuses import ImportKind

ROOT = Path(__file__).parents[1]
BARE = """
def handle(event, context):
    if event == "fail":
        raise ValueError("as it was told")
    return [event, context.aws_request_id]
"""


@pytest.fixture
def function(tmp_path: Path) -> Path:
    """The application beside what it needs, as in the package but without having been packaged."""
    folder = tmp_path / "function"
    folder.mkdir()
    for name in ("app.py", "chalicelib"):
        (folder / name).symlink_to(ROOT / name)
    cold_start.install(folder, ["msgspec"])
    cold_start.copy_chalice(folder)
    for name in ("botocore", "dateutil", "jmespath", "six.py", "urllib3"):
        (folder / name).symlink_to(str(distribution("boto3").locate_file(name)))
    return folder


def program(tmp_path: Path, source: str, handler: str = "function.handle") -> Program:
    (tmp_path / "function.py").write_text(source)
    command = [sys.executable, "-m", "awslambdaric", handler]
    return Program("small", tmp_path, command, cold_start.environment(tmp_path, (), "http://127.0.0.1:9"))


def test_a_function_lives_through_as_many_events_as_it_is_given(tmp_path: Path) -> None:
    life = live(program(tmp_path, BARE), ["one", "two", "three"])

    assert life.answer == ["one", "00000000"]
    assert len(life.warm_ms) == 2
    assert life.first_answer_ms > 0
    assert life.cpu_ms > 0
    assert life.peak_mib > 1


def test_a_function_that_fails_or_does_not_start_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(FunctionFailed, match="as it was told"):
        live(program(tmp_path, BARE), ["one", "fail"])
    with pytest.raises(FunctionFailed, match="no_such_module"):
        live(program(tmp_path, "import no_such_module"), ["one"])


def test_every_program_of_the_cold_start_answers(function: Path) -> None:
    shown = cold_start.table(cold_start.measure(function, starts=1, before=0))

    names = ["bare Python", "naive Chalice", "naive Chalice, boto3 in its zip", "naive Chalice, all compiled", "Daybook"]
    assert re.findall(r"^(\w.*?)  +\d", shown, re.MULTILINE) == names


def a_life(milliseconds: float) -> Life:
    return Life(first_answer_ms=milliseconds, cpu_ms=milliseconds / 2, warm_ms=[], peak_mib=30, answer=None)


def test_the_cold_start_is_compared_by_medians_above_bare_python() -> None:
    rows: dict[str, Sequence[Life]] = {
        "bare": [a_life(50), a_life(40), a_life(1000)],
        "naive": [a_life(250)],
        "ours": [a_life(150), a_life(140), a_life(900)],
    }

    bare, naive, ours = cold_start.table(rows).splitlines()[1:4]

    assert bare.split() == ["bare", "50.0", "ms", "25.0", "ms", "30.0", "MiB"]
    assert naive.split() == ["naive", "250.0", "ms", "0.50", "125.0", "ms", "0.50", "30.0", "MiB"]
    assert ours.split()[:2] == ["ours", "150.0"]


def test_a_warm_request_is_one_read_and_one_count() -> None:
    command = [sys.executable, "-m", "benchmarks.warm", "--requests", "100", "--in-process"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)

    assert run.returncode == 0, run.stderr
    assert "100 requests asked AWS for {'dynamodb.UpdateItem': 100, 'dynamodb.GetItem': 100}" in run.stdout


def test_thumbnails_are_compared_with_pillows_plainest_calls() -> None:
    command = [sys.executable, "-m", "benchmarks.images", "--width", "400", "--height", "300", "--rounds", "1", "--images", "1"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)

    assert run.returncode == 0, run.stderr
    assert [line.partition(" JPEG, 400 x 300")[0] for line in run.stdout.splitlines() if "JPEG" in line] == [
        "baseline",
        "progressive",
    ]
    assert run.stdout.count("images a CPU second") == 6


def test_costs_are_weighed_on_a_local_aws() -> None:
    with costs.local() as desk:
        meter = costs.Meter(desk.dynamodb, desk.sqs)
        one, thirty = (costs.invoice(desk, meter, entries=entries) for entries in (1, 30))
        nights = costs.night(desk, meter, due=2, clients=6)

    assert thirty.read_units - one.read_units == 29  # one for each entry more
    assert thirty.write_units > one.write_units > 2 * one.transaction_items - 1
    assert "of 30 entries" in costs.invoice_table({30: thirty})
    assert "of 6: asking" in costs.night_table(2, {6: nights})


def test_what_every_request_about_products_asks_of_aws() -> None:
    with in_process.running() as daybook:
        costs = catalogue.request_costs(daybook)

    asked_for = {name: (dict(cost.calls), cost.read_units, cost.write_units) for name, cost in costs.items()}
    counted, makes = {"UpdateItem": 1}, {"TransactWriteItems": 1}
    # Each is counted, with one write unit. A transaction costs two units for each item in it: the product, the version of one
    # that is gone, and a note of whatever sets a stock. What makes a product reads the account, whose currency it takes, and
    # whether the id had a version; a PUT reads first what there is.
    assert asked_for == {
        "POST": (counted | {"GetItem": 2} | makes, 2, 1 + 2 * 3),
        # The claim, the effect with its note, and the answer.
        "POST with an Idempotency-Key": (counted | {"GetItem": 3, "TransactWriteItems": 3}, 3, 1 + 2 * (1 + 4 + 1)),
        "POST again with that key": (counted | {"GetItem": 1}, 1, 1),
        "PUT that makes, not counted": (counted | {"GetItem": 3} | makes, 3, 1 + 2 * 2),
        "PUT that makes": (counted | {"GetItem": 3} | makes, 3, 1 + 2 * 3),
        "PUT that replaces": (counted | {"GetItem": 2} | makes, 2, 1 + 2),
        "PUT that changes nothing": (counted | {"GetItem": 2}, 2, 1),
        "PUT that sets another stock": (counted | {"GetItem": 2} | makes, 2, 1 + 2 * 2),
        "GET": (counted | {"GetItem": 1}, 1, 1),
        "GET of a list of 20": (counted | {"Query": 1}, 2, 1),
        "stock change": (counted | {"GetItem": 1} | makes, 1, 1 + 2 * 2),
        "GET of a list of 20 stock changes": (counted | {"GetItem": 1, "Query": 1}, 1 + 2, 1),
        "DELETE": (counted | {"GetItem": 1} | makes, 1, 1 + 2 * 3),
        "PUT under a deleted id": (counted | {"GetItem": 3} | makes, 3, 1 + 2 * 3),
        "search, the copy at hand": (counted | {"GetObject": 1}, 0, 1),
        "search, the index newer": (counted | {"GetObject": 1}, 0, 1),
    }
    at_hand, newer = (costs[f"search, {state}"] for state in ("the copy at hand", "the index newer"))
    assert at_hand.bytes_received < 1_000, "S3 says no more than that the copy still holds"
    assert newer.bytes_received > 10_000, "the whole file"
    shown = catalogue.request_table(costs)
    assert re.search(r"^PUT that changes nothing +2\.0 +1\.0 +[0-9,]+ B  UpdateItem, 2 GetItem$", shown, re.MULTILINE)


def test_what_an_order_asks_of_aws_on_each_way_through_its_workflow() -> None:
    with in_process.running() as daybook:
        ways = orders.ways(daybook)

    ends = {name: (way.order["status"], way.order["payment_status"], way.order["failure"]) for name, way in ways.items()}
    assert ends == {
        "confirmed": ("CONFIRMED", "captured", None),
        "declined": ("FAILED", "failed", "payment_declined"),
        "shipping failed": ("FAILED", "refunded", "shipping_failed"),
    }
    asked_for = {
        name: {done: (cost.calls.total(), cost.read_units, cost.write_units) for done, cost in way.costs.items()}
        for name, way in ways.items()
    }
    # An order of two products. Each step reads the order and writes its next version, for two units, and for four once it has
    # more than 1 KB: at the fifth version or so. A product, an entry in its journal, a reservation and a note in the sandbox's
    # books are two units each. An order and a reservation have one more on the index of those that end, to come and to go.
    begun = {"POST": (3, 2, 1 + 2 + 1), "start": (1, 0, 0)}
    begun |= {"validate_order": (3, 1 + 2, 2), "reserve_inventory": (3, 1 + 2, 2 + 2 * (2 + 2) + 2 + 1)}
    paid = {"process_payment": (6, 4, 2 + 2 + 2 + 1)}
    told = {"tell the bus": (1, 0, 0), "index": (2, 0, 0)}
    undone = {"notify_customer": (3, 1, 4), "fail_order": (3, 2, 4 + 1)}
    assert asked_for == {
        "confirmed": begun
        | paid
        | {"create_shipment": (5, 2, 2 + 2 + 4), "send_confirmation": (3, 1, 4), "confirm_order": (2, 1, 4 + 2 + 1)}
        | told,
        "declined": begun
        | {"process_payment": (3, 3, 0), "refund_payment": (5, 2, 2 + 2 + 4)}
        | {"release_inventory": (4, 4, 4 + 2 * (2 + 2) + 2 + 1)}
        | undone
        | told,
        "shipping failed": begun
        | paid
        | {"create_shipment": (3, 2, 2), "void_shipment": (5, 2, 4 + 2 + 4), "refund_payment": (5, 2, 2 + 2 + 4)}
        | {"release_inventory": (4, 4, 4 + 2 * (2 + 2) + 2)}
        | undone
        | told,
    }
    wholes = {name: (way.whole.call_count, way.whole.read_units, way.whole.write_units) for name, way in ways.items()}
    assert wholes == {"confirmed": (29, 16, 45), "declined": (31, 20, 51), "shipping failed": (42, 25, 69)}
    assert {name: len(way.states) for name, way in ways.items()} == {"confirmed": 7, "declined": 9, "shipping failed": 11}
    shown = orders.way_table("declined", ways["declined"])
    assert re.search(r"^process_payment +3\.0 +0\.0  3 GetItem$", shown, re.MULTILINE)
    assert "31 calls and 9 states: ValidateOrder, ReserveInventory, ProcessPayment, PaymentRefused, RefundPayment, " in shown


def test_a_step_of_an_order_that_would_be_tried_again_is_no_measurement() -> None:
    def stumble(*_: object) -> None:
        raise errors.Unavailable

    with pytest.raises(errors.Unavailable):
        orders.walk(orders.definition(), {"account_id": "acc_1", "order_id": "ord_1"}, stumble)


def test_orders_are_worked_off_one_after_the_other() -> None:
    with in_process.running() as daybook:
        worked_off = orders.work_off(daybook, 2)

    assert worked_off.statuses == {"CONFIRMED": 2}
    assert re.fullmatch(
        r"2 orders through their steps, {'CONFIRMED': 2}: [0-9.]+ a second, [0-9.]+ ms of CPU time here for each",
        orders.worked_off_table(worked_off),
    )


def test_a_shops_list_goes_through_the_api_and_is_found(tmp_path: Path) -> None:
    older, newer = tmp_path / "older.csv", tmp_path / "newer.csv"
    older.write_text("StockCode,Description,UnitPrice\nA 1,PAPER LANTERN,1\nB-2,HEART HOLDER,2\nC,GLASS HEART HOLDER,3\n")
    newer.write_text("StockCode,Description,UnitPrice\nA 1,PAPER LANTERN,1.25\nC,,0.0\n")

    with in_process.running() as daybook:
        daybook.open_account()
        loaded = catalogue.load(daybook, daybook.meter(), [older, newer])
        found = catalogue.first_page(daybook, "heart hold")
        assert daybook.ask("GET", "/v1/products/A%201").json()["price"] == 1.25

    assert (loaded.products, list(loaded.refusals)) == (3, ["C"])
    assert [result["id"] for result in found] == ["B-2"]
    assert catalogue.load_table(loaded).startswith("2 of 3 products were taken, ")
    assert "C was refused: /name: " in catalogue.load_table(loaded)
    assert catalogue.page_table("heart hold", found).endswith("  B-2           HEART HOLDER")


def test_the_streams_readers_ask_for_ten_events_at_once_and_for_each_accounts_index_once() -> None:
    batches = [
        feed.Batch(reader="bus", changes=12, accounts=2),
        feed.Batch(reader="index", changes=12, accounts=1),
        feed.Batch(reader="index", changes=12, accounts=2),
    ]
    with in_process.running() as daybook:
        shops, meter = feed.Shops(daybook, accounts=2, size=12), daybook.meter()
        bus, one, two = (feed.read(daybook, meter, shops, batch, rounds=2) for batch in batches)

    assert bus.calls == Counter(PutEvents=2)
    assert one.calls == Counter(GetObject=1, PutObject=1)
    assert two.calls == Counter(GetObject=2, PutObject=2)
    assert bus.bytes_sent > 100
    assert two.bytes_sent > 1.5 * one.bytes_sent, "a file for each account"
    assert re.findall(r"^(\w+) +12 +(\d)", feed.table([bus, one, two]), re.MULTILINE) == [
        ("bus", "2"),
        ("index", "1"),
        ("index", "2"),
    ]


def test_search_is_measured_on_a_local_aws() -> None:
    with search.bucket() as (s3, environment):
        shown = search.measure(s3, environment, 50, searches=16, starts=1)

    assert shown["documents"] == "50"
    assert re.fullmatch(r"[0-9.]+ / [0-9.]+ ms", shown["warm search p50 / p99"])
    assert re.fullmatch(r"[0-9]+ ms, [0-9,]+ B a change", shown["batch of 100"])


def test_the_longest_question_is_found_in_the_longest_texts() -> None:
    length, took = search.longest(count=3)

    assert length > 1_300
    assert took > 0


def test_a_file_is_watched_while_its_documents_are_updated() -> None:
    before, most, after = search.growth(120, 300)

    assert 0 < before < after <= most


def test_rows_together_cost_a_few_calls_and_work_five_each() -> None:
    """Ninety-eight rows, which are two blocks; whatever their number, an import itself takes a few calls more."""
    with in_process.running() as daybook:
        counted = imports.count_calls(daybook, 98)

    assert [(one.kind.value, one.together, one.first.calls) for one in counted] == [
        ("clients", False, Counter(TransactWriteItems=98 + 5, GetItem=98 + 3, BatchGetItem=2)),
        ("clients", True, Counter(TransactWriteItems=2 + 5, GetItem=3, BatchGetItem=4)),
        ("products", False, Counter(TransactWriteItems=98 + 5, GetItem=3 * 98 + 3, BatchGetItem=2)),
        ("products", True, Counter(TransactWriteItems=6 + 5, GetItem=3, BatchGetItem=4)),
        ("work", False, Counter(TransactWriteItems=98 + 5, GetItem=3 * 98 + 3, BatchGetItem=2, Query=98)),
    ]
    for one in counted:  # what an import says of a product is marked, though it changes nothing
        marked = 0 if one.kind is not ImportKind.PRODUCTS else 2 if one.together else 98
        again = Counter(TransactWriteItems=marked + 5, GetItem=3, BatchGetItem=4 if one.together else 2)
        assert one.again.calls == again, one.kind
    assert "together" in imports.call_table(counted)


def test_an_import_takes_no_more_memory_for_more_rows() -> None:
    grown = [imports.grow(kind, 1_500) for kind in imports.KINDS]

    assert {one.rows for one in grown} == {1_500}
    assert all(one.peak_mib - one.idle_mib < 30 for one in grown)
    assert "1,500" in imports.growth_table(grown)


@pytest.mark.parametrize("hostile", hostile_files.HOSTILE, ids=lambda hostile: hostile.name)
def test_files_that_are_made_to_cost_much_come_to_a_clear_end(hostile: hostile_files.Hostile) -> None:
    """5 MiB is enough for each of them to come to the end that more of the same has."""
    assert hostile_files.read(hostile, 5 * hostile_files.MIB)[1] == hostile.end


def test_what_they_cost_is_measured_in_a_process_of_its_own() -> None:
    cost = hostile_files.cost_of(0, 1)

    assert (cost.records, cost.end) == (0, "")
    assert cost.memory > 1
    assert cost.seconds > 0
