"""Images and imports: what people upload, and what becomes of it."""

import importlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image

from tests.consistency import Broken
from tests.faults.cloud import HttpClient
from tests.faults.world import NEITHER, Scenario, World, add_client, documents, text

_A_NIGHT_LATER: Final = 25 * 3600
"""When what was due after a day is due."""


def _night_falls(world: World) -> None:
    world.cloud.pump.run_dry()
    world.cloud.clock.advance(_A_NIGHT_LATER)
    world.cloud.pump.schedule("tidy", world.cloud.clock.now())
    world.cloud.pump.run_dry()


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
    """What is imported by whom, how many of its records are good, and the numbers of those that are not."""

    whose: str
    kind: str
    content: str
    good: int
    bad: tuple[int, ...]

    @property
    def body(self) -> Mapping[str, Any]:
        return {"kind": self.kind, "filename": f"{self.kind}.csv", "content_type": "text/csv"}


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
        if name not in world.ids:
            continue
        shown = world.people[file.whose].get(f"/v1/imports/{world.ids[name]}").expect(200)
        added[file.content] += shown["added_count"]
        in_it = shown["added_count"] + shown["unchanged_count"]
        if (shown["status"], in_it, shown["record_count"]) != ("completed", file.good, file.good + len(file.bad)):
            yield Broken("the counts add up to the file's records", f"{name}: {shown}")
        if tuple(told["number"] for told in shown["rejections"]) != file.bad or shown["report"] is None:
            yield Broken("every bad row is reported once", f"{name}: {shown['rejections']}, {shown['report']}")
    for file in (_PRODUCTS, _HOURS, _BENS):
        sent = any(_FILES[name] is file for name in world.ids if name in _FILES)
        if added[file.content] != (file.good if sent else 0):
            yield Broken("every good row is in once", f"{added[file.content]} of {file.whose}'s {file.kind}")
    yield from _expect_what_was_imported(world)


def _expect_what_was_imported(world: World) -> Iterator[Broken]:
    names = {person.get("/v1/account").expect(200)["id"]: name for name, person in world.people.items()}
    products = Counter(
        (names[text(it, "account_id")], text(it, "name"), it.get("stock", {}).get("N"), int(it["version"]["N"]))
        for it in documents(world, "product")
    )
    expected: Counter[tuple[str, str, str | None, int]] = Counter({("Ada", "Cream cupid hearts", "10", 2): 1})
    expected |= {("Ada", "White metal lantern", "6", 1): 1, ("Ada", "Gift wrap", None, 1): 2, ("Ada", "Glass star", "2", 1): 1}
    expected |= {("Ada", "Glass heart frosted", "5", 2): 1}
    if not {"products", "products again"} & world.ids.keys():
        expected = Counter({("Ada", "Cupids", "8", 1): 1})
    if "Ben's" in world.ids:
        expected |= {("Ben", "Retrospot tea set", "4", 1): 1, ("Ben", "Gift wrap", "9", 1): 1}
    if products != expected:
        yield Broken("every good row is in once", f"{sorted((products - expected) + (expected - products), key=str)}")
    hours = Counter(text(entry, "description") for entry in documents(world, "work"))
    if "hours" in world.ids and hours != {"With a start": 1, "Twice the same": 2, "The last": 1}:
        yield Broken("every good row is in once", f"{hours}")


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
        idle=NEITHER,
        files=True,
        seeds=2,
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
