"""Images and imports: what people upload, and what becomes of it."""

import importlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from PIL import Image

from tests.consistency import Broken
from tests.faults.cloud import HttpClient
from tests.faults.in_process_aws import Request
from tests.faults.plane import Call, Plane
from tests.faults.pump import body_of
from tests.faults.world import NEITHER, Scenario, World, add_client, documents, text

_A_NIGHT_LATER: Final = 25 * 3600
"""When what was due after a day is due."""


def _night_falls(world: World) -> None:
    world.cloud.pump.run_dry()
    world.cloud.clock.advance(_A_NIGHT_LATER)
    world.cloud.pump.schedule("tidy", world.cloud.clock.now())
    world.cloud.pump.run_dry()


_NO_IMPORTS: Final = NEITHER | {"nightly", "on_upload"}
"""The functions that no import wakes."""


# Images


def _picture(kind: str, color: str, width: int, height: int) -> bytes:
    drawn = io.BytesIO()
    Image.new("RGB", (width, height), color).save(drawn, kind)
    return drawn.getvalue()


_NO_PICTURE: Final = b"How large is it? As large as life."
_RED: Final = _picture("JPEG", "red", 300, 200)
_TYPES: Final = {
    "good": "image/png",
    "no picture": "image/jpeg",
    "late": "image/png",
    "never": "image/png",
    "going": "image/jpeg",
}
"""Of the images that Ada adds under faults."""


def _add_image(world: World, person: HttpClient, name: str, content_type: str) -> None:
    """Under a key, so that who asks again has one image only."""
    world.cloud.clock.advance(1)  # what is due at the same second is seen to in no order
    added = person.post("/v1/images", {"filename": f"{name}.img", "content_type": content_type}, key=name)
    shown = world.seen(person, added, 201)
    if shown:
        world.ids[name], world.forms[name] = shown["id"], shown["upload"]["fields"]


def _send(world: World, name: str, content: bytes) -> None:
    if name in world.forms:
        world.cloud.upload(world.forms[name], content)


def _set_up_images(world: World) -> None:
    """A product with an image, and one that nobody wants any more."""
    ada = world.sign_up("Ada")
    world.sign_up("Ben")
    for name in ("old", "unwanted"):
        _add_image(world, ada, name, "image/jpeg")
        _send(world, name, _RED)
    world.cloud.pump.run_dry()
    product = {"name": "White metal lantern", "price": 2.55, "image_id": world.ids["old"]}
    ada.put("/v1/products/LANTERN-1", product).expect(201)


def _upload_images(world: World) -> None:
    """Good ones and none; one over what is no picture, one over one that is shown; one never; two removed, one under way."""
    ada, ben, pump = world.people["Ada"], world.people["Ben"], world.cloud.pump
    for name, content_type in _TYPES.items():
        _add_image(world, ada, name, content_type)
    _add_image(world, ben, "Ben's", "image/webp")
    _send(world, "good", _picture("PNG", "green", 500, 250))
    _send(world, "no picture", _NO_PICTURE)
    _send(world, "Ben's", _picture("WEBP", "yellow", 120, 90))
    _send(world, "late", _NO_PICTURE)
    pump.together([pump.step, lambda: _send(world, "late", _picture("PNG", "blue", 90, 410))])
    _send(world, "old", _picture("JPEG", "black", 250, 250))
    _send(world, "going", _RED)

    def remove(name: str) -> None:
        world.cloud.clock.advance(1)
        if name in world.ids:
            world.seen(ada, ada.delete(f"/v1/images/{world.ids[name]}"), 200, repeated=(404,))

    pump.together([pump.step, lambda: remove("going")])
    remove("unwanted")
    if "good" in world.ids:
        product = {"name": "Glass star", "price": 1.25, "image_id": world.ids["good"]}
        world.seen(ada, ada.put("/v1/products/STAR-1", product), 200, 201)
    _night_falls(world)


_SIZES: Final = {"good": (500, 250), "late": (90, 410), "Ben's": (120, 90), "old": (250, 250)}
"""Of the images that are shown in the end; those of `_GONE` are not there, and all else is rejected."""
_GONE: Final = frozenset({"going", "unwanted"})


def _expect_images(world: World) -> Iterator[Broken]:
    for name, image_id in world.ids.items():
        person = world.people["Ben" if name == "Ben's" else "Ada"]
        seen = person.get(f"/v1/images/{image_id}")
        if name in _GONE:
            if seen.status != 404 and world.patient:
                yield Broken("what was answered is kept", f"{name} is there")
            continue
        shown = seen.expect(200)
        if name not in _SIZES:
            if shown["status"] != "rejected" or not shown["reason"]:
                yield Broken("an image ends as its upload deserves", f"{name} is {shown['status']}: {shown['reason']}")
        elif (shown["status"], shown["width"], shown["height"]) != ("ready", *_SIZES[name]):
            yield Broken("an image ends as its upload deserves", f"{name} is {shown}")
    of_products = {text(product, "id"): text(product, "image_id") for product in documents(world, "product")}
    expected = {"LANTERN-1": world.ids["old"], "STAR-1": world.ids.get("good")}
    if world.patient and of_products != expected:
        yield Broken("what was answered is kept", f"products have the images {of_products}")
    added = len(documents(world, "image"))
    if world.patient and added != len(world.ids) - len(_GONE):
        yield Broken("as many as there should be", f"{added} images")


# Imports


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """What is imported by whom, how many of its records are good, and the numbers of those that are not.

    Each record has a line of its own; there are headings above the first, or a bracket, or nothing.
    """

    whose: str
    kind: str
    content: str
    good: int
    bad: tuple[int, ...]
    content_type: str = "text/csv"
    dry_run: bool = False

    @property
    def body(self) -> Mapping[str, Any]:
        filename = f"{self.kind}.{self.content_type.rpartition('/')[2]}"
        return {"kind": self.kind, "filename": filename, "content_type": self.content_type, "dry_run": self.dry_run}

    @property
    def bad_lines(self) -> list[tuple[int, int]]:
        """Of each bad record its number and its line."""
        above = 0 if self.content_type == _NDJSON else 1
        return [(number, number + above) for number in self.bad]


_NDJSON: Final = "application/x-ndjson"


_PRODUCTS: Final = _File(
    whose="Ada",
    kind="products",
    content="""\
id,name,price,stock
LANTERN-1,White metal lantern,2.55,6
CUPID,Cream cupid hearts,2.95,10
,Gift wrap,0.42,
BAD-1,Priceless,much,1
,Gift wrap,0.42,
HEART,Glass heart,1.25,3
BAD-2,,1.00,1
HEART,Glass heart frosted,1.35,5
STAR,Glass star,0.85,2
""",
    good=7,
    bad=(4, 7),
)
_HOURS: Final = _File(
    whose="Ada",
    kind="work",
    content="""\
client,start_date,start_time,duration,description
Client,2026-01-12,09:00,1:30:00,With a start
client,2026-01-13,,0:45:00,Twice the same
client,2026-01-13,,0:45:00,Twice the same
Client,2026-01-12,09:30,0:30:00,Overlapping
Nobody,2026-01-12,,1:00:00,For nobody
Client,2026-01-14,,0:20:00,The last
""",
    good=4,
    bad=(4, 5),
)
_BENS: Final = _File(
    whose="Ben",
    kind="products",
    content="id,name,price,stock\nLANTERN-1,Retrospot tea set,7.95,4\nBAD,Endless,1,much\n,Gift wrap,0.42,9\n",
    good=2,
    bad=(2,),
)
_FILES: Final = {"products": _PRODUCTS, "hours": _HOURS, "products again": _PRODUCTS, "Ben's": _BENS}
_FIRST: Final = _File(whose="Ada", kind="products", content="id,name,price,stock\nCUPID,Cupids,2.75,8\n", good=1, bad=())


def _few_at_a_time(_app: Any) -> None:
    """A window is four records, a run ends after some calls, and then it takes several to get through a small file."""
    run = importlib.import_module("chalicelib.usecases.import_run")
    vars(run).update(WINDOW=4, BLOCK=2, RESERVE_SECONDS=179.75)


def _import(world: World, name: str, file: _File) -> None:
    """A second after the one before: which was opened later, ids tell to the second."""
    world.cloud.clock.advance(1)
    person = world.people[file.whose]
    opened = world.seen(person, person.post("/v1/imports", file.body, key=name), 201)
    if opened:
        world.ids[name] = opened["id"]
        world.cloud.upload(opened["upload"]["fields"], file.content.encode())


def _set_up_imports(world: World) -> None:
    ada = world.sign_up("Ada")
    world.sign_up("Ben")
    add_client(world, ada, "Client")
    _import(world, "first", _FIRST)
    world.cloud.pump.run_dry()


def _upload_imports(world: World) -> None:
    for name, file in _FILES.items():
        _import(world, name, file)
    _night_falls(world)


def _expect_imports(world: World) -> Iterator[Broken]:
    """Equal rows of a file go in as often as they are there, and none of them a second time with another file."""
    added: Counter[str] = Counter()
    for name, file in _FILES.items():
        if name in world.ids:
            shown = _shown(world, name, file)
            added[file.content] += shown["added_count"]
            yield from _check_shown(name, file, shown)
    for file in (_PRODUCTS, _HOURS, _BENS):
        sent = any(_FILES[name] is file for name in world.ids if name in _FILES)
        if added[file.content] != (file.good if sent else 0):
            yield Broken("every good row is in once", f"{added[file.content]} of {file.whose}'s {file.kind}")
    yield from _expect_what_was_imported(world)


def _shown(world: World, name: str, file: _File) -> Mapping[str, Any]:
    shown: Mapping[str, Any] = world.people[file.whose].get(f"/v1/imports/{world.ids[name]}").expect(200)
    return shown


def _check_shown(name: str, file: _File, shown: Mapping[str, Any]) -> Iterator[Broken]:
    in_it = shown["added_count"] + shown["unchanged_count"]
    if (shown["status"], in_it, shown["record_count"]) != ("completed", file.good, file.good + len(file.bad)):
        yield Broken("the counts add up to the file's records", f"{name}: {shown}")
    told = [(one["number"], one["line"]) for one in shown["rejections"]]
    if told != file.bad_lines or (shown["report"] is None) != (not file.bad):
        yield Broken("every bad row is reported once", f"{name}: {shown['rejections']}, {shown['report']}")


_Products = Counter[tuple[str, str, str | None, int]]
"""By whose they are, what they are called, what is left of them, and their version."""


def _products(world: World) -> _Products:
    names = {person.get("/v1/account").expect(200)["id"]: name for name, person in world.people.items()}
    return Counter(
        (names[text(it, "account_id")], text(it, "name"), it.get("stock", {}).get("N"), int(it["version"]["N"]))
        for it in documents(world, "product")
    )


def _check_products(world: World, expected: _Products) -> Iterator[Broken]:
    products = _products(world)
    if products != expected:
        yield Broken("every good row is in once", f"{sorted((products - expected) + (expected - products), key=str)}")


def _expect_what_was_imported(world: World) -> Iterator[Broken]:
    expected: _Products = Counter({("Ada", "Cream cupid hearts", "10", 2): 1})
    expected |= {("Ada", "White metal lantern", "6", 1): 1, ("Ada", "Gift wrap", None, 1): 2, ("Ada", "Glass star", "2", 1): 1}
    expected |= {("Ada", "Glass heart frosted", "5", 2): 1}
    if not {"products", "products again"} & world.ids.keys():
        expected = Counter({("Ada", "Cupids", "8", 1): 1})
    if "Ben's" in world.ids:
        expected |= {("Ben", "Retrospot tea set", "4", 1): 1, ("Ben", "Gift wrap", "9", 1): 1}
    yield from _check_products(world, expected)
    hours = Counter(text(entry, "description") for entry in documents(world, "work"))
    if "hours" in world.ids and hours != {"With a start": 1, "Twice the same": 2, "The last": 1}:
        yield Broken("every good row is in once", f"{hours}")


# Imports in JSON, and a dry run


_GOODS: Final = _File(
    whose="Ada",
    kind="products",
    content_type=_NDJSON,
    content="""\
{"id": "CUPID", "name": "Crème cupid hearts", "price": 2.95, "stock": 10}
{"id": "STAR", "name": "Étoile de verre", "price": 0.85, "stock": 2}
{"id": "BAD-1", "name": "Priceless", "price": much}
{"id": "CUPID", "name": "Crème cupid hearts", "price": 3.25, "stock": 10}
{"id": "BAD-2", "price": 1}
{"name": "Gift wrap", "price": 0.42}
""",
    good=4,
    bad=(3, 5),
)
_REHEARSED: Final = replace(_GOODS, dry_run=True)
_ARRAY: Final = _File(
    whose="Ada",
    kind="work",
    content_type="application/json",
    content="""\
[
{"client": "Client", "start_date": "2026-01-12", "start_time": "09:00", "duration": "1:30:00", "description": "Début"},
{"client": "Nobody", "start_date": "2026-01-12", "duration": "1:00:00", "description": "For nobody"},
{"client": "client", "start_date": 2026-01-13, "duration": "0:45:00", "description": "No JSON"},
{"client": "client", "start_date": "2026-01-13", "duration": "0:45:00", "description": "With a day"},
{"client": "Client", "start_date": "2026-01-14", "duration": "0:20:00", "description": "The last"}
]
""",
    good=3,
    bad=(2, 3),
)
_FORMATS: Final = {"rehearsed": _REHEARSED, "goods": _GOODS, "array": _ARRAY}
_OF_IMPORTS: Final = frozenset({"import", "import_run", "import_rejections"})
"""What an import itself is made of."""


def _set_up_formats(world: World) -> None:
    """A product that the file has once as it is, and once otherwise."""
    ada = world.sign_up("Ada")
    add_client(world, ada, "Client")
    ada.put("/v1/products/CUPID", {"name": "Crème cupid hearts", "price": 2.95, "stock": 10}).expect(201)


def _upload_formats(world: World) -> None:
    """One of them as a dry run first, after which nothing is there."""
    before = _but_imports(world)
    _import(world, "rehearsed", _REHEARSED)
    world.cloud.pump.run_dry()
    for key, item in _but_imports(world).items():
        if item != before.get(key):
            world.broken.append(Broken("a dry run leaves nothing", f"{item}"))
    for name in ("goods", "array"):
        _import(world, name, _FORMATS[name])
    _night_falls(world)


def _but_imports(world: World) -> dict[tuple[str, str], Mapping[str, Any]]:
    """By key, all that is in the table but imports."""
    of_others = [it for it in world.cloud.items() if text(it, "type") not in _OF_IMPORTS]
    return {(text(item, "pk"), text(item, "sk")): dict(item) for item in of_others}


def _expect_formats(world: World) -> Iterator[Broken]:
    shown = {name: _shown(world, name, file) for name, file in _FORMATS.items() if name in world.ids}
    for name, told in shown.items():
        yield from _check_shown(name, _FORMATS[name], told)
    if {"rehearsed", "goods"} <= shown.keys():
        said, came = ({member: shown[name][member] for member in _RESULT} for name in ("rehearsed", "goods"))
        if said != came:
            yield Broken("a dry run says what the import will do", f"{said}, and then {came}")
    if any(text(mark, "import_id") == world.ids.get("rehearsed") for mark in documents(world, "import_row")):
        yield Broken("a dry run leaves nothing", "rows are marked by it")
    added = {"goods": 3, "array": 3}
    for name in added.keys() & shown.keys():
        if shown[name]["added_count"] != added[name]:
            yield Broken("every good row is in once", f"{name}: {shown[name]['added_count']}")
    expected: _Products = Counter({("Ada", "Crème cupid hearts", "10", 1): 1})
    if "goods" in shown:
        expected = Counter({("Ada", "Crème cupid hearts", "10", 2): 1, ("Ada", "Étoile de verre", "2", 1): 1})
        expected["Ada", "Gift wrap", None, 1] = 1
    yield from _check_products(world, expected)
    hours = Counter(text(entry, "description") for entry in documents(world, "work"))
    if "array" in shown and hours != {"Début": 1, "With a day": 1, "The last": 1}:
        yield Broken("every good row is in once", f"{hours}")


_RESULT: Final = ("added_count", "unchanged_count", "rejected_count", "rejections")


# Imports that fail on our side, and what is put back


_POISON: Final = "POISON"
"""The id of a product that cannot be written."""
_POISONED: Final = _File(
    whose="Ada",
    kind="products",
    content=f"""\
id,name,price,stock
LANTERN,White metal lantern,2.55,6
BAD,Priceless,much,1
{_POISON},Poison ivy,0.85,3
STAR,Glass star,1.25,2
""",
    good=3,
    bad=(2,),
)
_AFTER: Final = _File(
    whose="Ada",
    kind="products",
    content="id,name,price,stock\nSTAR,Glass star,1.25,2\nHEART,Glass heart,1.25,5\n",
    good=2,
    bad=(),
)
_ELSEWHERE: Final = _File(
    whose="Ben", kind="products", content="id,name,price,stock\nPOISON,Retrospot tea set,7.95,4\n", good=1, bad=()
)
_QUEUED: Final = {"poisoned": _POISONED, "after": _AFTER, "elsewhere": _ELSEWHERE}
_UNTIL_IT_COMES_AGAIN: Final = timedelta(minutes=18)
"""A message of the imports' queue that failed: `VisibilityTimeout`."""
_TRIES: Final = 3
_MOMENT: Final = timedelta(minutes=1)
_TIME_OUTS: Final = timedelta(minutes=7)
"""What one of a run may take besides, of an import and of whatever the pump does before it."""


def _set_up_redrive(world: World) -> None:
    world.ids["Ada"] = world.sign_up("Ada").get("/v1/account").expect(200)["id"]
    world.sign_up("Ben")


def _poison(world: World) -> None:
    """One of Ada's products cannot be written; half of the file is in before. Behind it waits another file of hers.

    When all have ended as they can, what was wrong is mended, and what was given up on is put back.
    """
    cloud = world.cloud
    cloud.plane.out_of_order = _of_the_poison(world)
    _import(world, "poisoned", _POISONED)
    cloud.pump.step()
    _import(world, "after", _AFTER)
    _import(world, "elsewhere", _ELSEWHERE)
    sent = cloud.clock.now()
    cloud.pump.run_dry()
    world.broken += _check_given_up(world, sent)
    cloud.plane.out_of_order = lambda _call, _request: False
    cloud.redrive("imports")
    _night_falls(world)


def _of_the_poison(world: World) -> Callable[[Call, Request], bool]:
    """Every write of Ada's product; Ben's of the same name is none of it."""
    of_it = world.ids["Ada"].encode(), _POISON.encode()

    def strikes(call: Call, request: Request) -> bool:
        return call.name == "dynamodb.TransactWriteItems" and all(part in request.body for part in of_it)

    return strikes


def _dead_imports(world: World) -> set[str]:
    return {body_of(message)["import_id"] for message in world.cloud.pump.dead_letters()["daybook-local-imports-dlq.fifo"]}


def _check_given_up(world: World, sent: datetime) -> Iterator[Broken]:
    """What fails again and again says so and waits for a person; all else goes on.

    Where runs of one import take over from each other, none may say so, and how long one waits is drawn by lot.
    """
    plane, kept = world.cloud.plane, {text(item, "id"): item for item in documents(world, "import")}
    poisoned = {world.ids["poisoned"]} if "poisoned" in world.ids else set()
    if (dead := _dead_imports(world)) != poisoned:
        yield Broken("what is given up is in its own queue", f"{dead}, not {poisoned}")
    for import_id in poisoned:
        ended = text(kept[import_id], "status"), kept[import_id]["interrupted"]["BOOL"]
        if ended != ("failed", True) and not _cut_off(plane) and world.cloud.pump.repetition is None:
            yield Broken("what is given up says so", f"{ended}")
    waits = {"after": _TRIES * _UNTIL_IT_COMES_AGAIN + _MOMENT, "elsewhere": _MOMENT}
    if plane.strikes:  # who is struck comes again; what is poisoned twice, if it had asked for its next part by then
        waits["after"] += _TRIES * _UNTIL_IT_COMES_AGAIN + _TIME_OUTS
        waits["elsewhere"] += _UNTIL_IT_COMES_AGAIN + _TIME_OUTS
    for name, longest in waits.items():
        if name not in world.ids:
            continue
        other = kept[world.ids[name]]
        waited = datetime.fromisoformat(text(other, "updated_at")) - sent
        if text(other, "status") != "completed" or (waited > longest and world.cloud.pump.repetition is None):
            yield Broken("all others go on", f"{name} is {text(other, 'status')}, after {waited}")


def _cut_off(plane: Plane) -> bool:
    """Whether a fault has befallen the last run that tried the poison, or one after it: then nobody may be left to say it."""
    of_imports = [call for call in plane.struck if call.invocation.function == "on_import"]
    struck = [call.invocation.number for call in of_imports if call.number in plane.strikes]
    poisoned = [call.invocation.number for call in of_imports if call.number not in plane.strikes]
    return bool(struck) and max(struck) >= max(poisoned, default=0)


def _expect_redriven(world: World) -> Iterator[Broken]:
    """The row that both of Ada's files have counts as added in one of them."""
    added = 0
    for name, file in _QUEUED.items():
        if name in world.ids:
            shown = _shown(world, name, file)
            yield from _check_shown(name, file, shown)
            added += shown["added_count"]
    goods: Mapping[str, list[tuple[str, str, str | None, int]]] = {
        "poisoned": [
            ("Ada", "White metal lantern", "6", 1),
            ("Ada", "Poison ivy", "3", 1),
            ("Ada", "Glass star", "2", 1),
        ],
        "after": [("Ada", "Glass star", "2", 1), ("Ada", "Glass heart", "5", 1)],
        "elsewhere": [("Ben", "Retrospot tea set", "4", 1)],
    }
    expected: _Products = Counter({product: 1 for name in goods.keys() & world.ids.keys() for product in goods[name]})
    yield from _check_products(world, expected)
    if added != expected.total():
        yield Broken("every good row is in once", f"{added}, not {expected.total()}")


# An import that is deleted

_WRONG: Final = _File(
    whose="Ada",
    kind="products",
    content="id,name,price\nA1,Lantern,2.55\n,Gift wrap,0.42\nBAD,Priceless,much\nA2,Hearts,2.95\n,Ribbon,0.2\nA3,Star,0.85\n",
    good=5,
    bad=(3,),
)
_RIGHT: Final = _File(whose="Ada", kind="products", content=_WRONG.content.replace("much", "9"), good=6, bad=())


def _set_up_deletion(world: World) -> None:
    world.sign_up("Ada")


def _delete_import(world: World) -> None:
    """While it is worked off; its file comes once more after that, and what was meant is imported in its place."""
    ada, pump = world.people["Ada"], world.cloud.pump
    answers: list[int] = []
    opened = world.seen(ada, ada.post("/v1/imports", _WRONG.body, key="wrong"), 201)
    if opened:
        world.ids["wrong"], form = opened["id"], opened["upload"]["fields"]
        world.cloud.upload(form, _WRONG.content.encode())
        pump.step()

        def delete() -> None:
            answer = ada.delete(f"/v1/imports/{opened['id']}")
            world.seen(ada, answer, 200, repeated=(404,))
            answers.append(answer.status)

        pump.together([pump.step, delete])
        if answers[0] < 500:  # else it may be there still, and pinned to the version that came first
            world.cloud.upload(form, _WRONG.content.encode())
    _import(world, "right", _RIGHT)
    for _ in range(2):  # what one has left over is the next one's
        _night_falls(world)


def _expect_deletion(world: World) -> Iterator[Broken]:
    """What the one has brought is known to the other; whoever did not ask again may have deleted nothing."""
    ada = world.people["Ada"]
    if "wrong" in world.ids and ada.get(f"/v1/imports/{world.ids['wrong']}").status != 404 and world.patient:
        yield Broken("what was answered is kept", "the import that was deleted is there")
    products = Counter(text(it, "name") for it in documents(world, "product"))
    expected = Counter(line.split(",")[1] for line in _RIGHT.content.splitlines()[1:])
    if "right" in world.ids:
        shown = ada.get(f"/v1/imports/{world.ids['right']}").expect(200)
        if (shown["status"], shown["added_count"] + shown["unchanged_count"]) != ("completed", _RIGHT.good):
            yield Broken("the counts add up to the file's records", f"{shown}")
    if products - expected or ("right" in world.ids and products != expected):
        yield Broken("every good row is in once", f"{products}")


FILE_SCENARIOS: Final = (
    Scenario(
        name="images", set_up=_set_up_images, act=_upload_images, expect=_expect_images, idle=NEITHER, files=True, seeds=2
    ),
    Scenario(
        name="imports",
        set_up=_set_up_imports,
        act=_upload_imports,
        expect=_expect_imports,
        idle=_NO_IMPORTS,
        files=True,
        seeds=2,
        patch=_few_at_a_time,
    ),
    Scenario(
        name="formats",
        set_up=_set_up_formats,
        act=_upload_formats,
        expect=_expect_formats,
        idle=_NO_IMPORTS,
        files=True,
        patch=_few_at_a_time,
    ),
    Scenario(
        name="redrive",
        set_up=_set_up_redrive,
        act=_poison,
        expect=_expect_redriven,
        idle=_NO_IMPORTS,
        files=True,
        patch=_few_at_a_time,
    ),
    Scenario(
        name="deletion",
        set_up=_set_up_deletion,
        act=_delete_import,
        expect=_expect_deletion,
        idle=NEITHER | {"on_upload"},
        files=True,
        patch=_few_at_a_time,
    ),
)
