"""Images over HTTP: a form to upload with, then thumbnails behind links."""

import re
from typing import Any

import pytest

import app as daybook
from chalicelib.domain.files import Upload
from chalicelib.repositories import keys
from chalicelib.usecases import images
from tests.http.api import Api, made, product_body
from tests.triggers.documents import A_WHILE, scheduled
from tests.wired import MemoryWired

FORM = {"filename": "Garten + Söhne 🏡.jpg", "content_type": "image/jpeg"}
TAG = r'"[0-9a-f]{32}"'
TAG_WITH_LINKS = r'"[0-9a-f]{32}\.[0-9a-f]{32}"'


def add(api: Api) -> dict[str, Any]:
    return made(api.post("/v1/images", FORM))


def upload(wired: MemoryWired, image: dict[str, Any], content: bytes = b"1800x1200 a garden") -> None:
    key = image["upload"]["fields"]["key"]
    wired.stored.put(key, content, "image/jpeg")
    account_id = key.split("/")[1]
    images.make_thumbnails(Upload(account_id=account_id, file_id=image["id"], key=key), desk=wired)


@pytest.fixture
def ready(api: Api, wired: MemoryWired) -> str:
    image = add(api)
    upload(wired, image)
    return f"/v1/images/{image['id']}"


def test_a_new_image_is_answered_with_its_form_and_its_place(api: Api) -> None:
    answer = api.post("/v1/images", FORM)

    image = answer.json
    assert answer.status == 201
    assert answer.headers["Location"] == f"images/{image['id']}"
    assert image["upload"]["fields"]["key"].endswith(f"/{image['id']}/Garten + Söhne 🏡.jpg")
    assert image["upload"]["fields"]["Content-Type"] == "image/jpeg"
    assert {name: image[name] for name in ("status", "reason", "width", "height", "thumbnails")} == {
        "status": "pending",
        "reason": None,
        "width": None,
        "height": None,
        "thumbnails": {},
    }
    shown = api.get(f"/v1/images/{image['id']}")
    assert shown.json == {name: value for name, value in image.items() if name != "upload"}


def test_a_ready_image_has_links_to_its_thumbnails(api: Api, ready: str) -> None:
    image = api.get(ready).json

    assert (image["status"], image["width"], image["height"]) == ("ready", 1800, 1200)
    sides = {name: (one["width"], one["height"]) for name, one in image["thumbnails"].items()}
    assert sides == {"100x": (100, 67), "200x": (200, 133), "400x": (400, 267), "200x200": (200, 200)}
    assert all(f"/thumbnails/{name}/acc_" in one["url"] for name, one in image["thumbnails"].items())
    assert api.get("/v1/images").json["images"] == [image]


def test_a_rejected_image_says_why(api: Api, wired: MemoryWired) -> None:
    image = add(api)
    upload(wired, image, b"<html>")

    shown = api.get(f"/v1/images/{image['id']}").json

    assert (shown["status"], shown["reason"]) == ("rejected", "the file is not a JPEG, PNG or WebP image")
    assert shown["thumbnails"] == {}


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"filename": "a/b.jpg", "content_type": "image/jpeg"}, ["/filename"]),
        ({"filename": "a\\b.jpg", "content_type": "image/jpeg"}, ["/filename"]),
        ({"filename": " ", "content_type": "image/jpeg"}, ["/filename"]),
        ({"filename": "..", "content_type": "image/jpeg"}, ["/filename"]),
        ({"filename": "a\n.jpg", "content_type": "image/jpeg"}, ["/filename"]),
        ({"filename": "x" * 901, "content_type": "image/jpeg"}, ["/filename"]),
        ({"filename": "a.gif", "content_type": "image/gif"}, ["/content_type"]),
        ({"filename": "", "content_type": ""}, ["/filename", "/content_type"]),
        ({"filename": 5, "content_type": "image/jpeg"}, ["/filename"]),
    ],
)
def test_what_is_wrong_with_a_new_image_is_told(
    api: Api, wired: MemoryWired, body: dict[str, Any], pointers: list[str]
) -> None:
    answer = api.post("/v1/images", body)

    assert answer.status == 422
    assert [error["pointer"] for error in answer.json["errors"]] == pointers
    assert wired.tables()["images"] == {}


def test_the_same_keyed_request_again_makes_no_second_image(api: Api) -> None:
    first = api.call("POST", "/v1/images", FORM, {"Idempotency-Key": "k1"})
    second = api.call("POST", "/v1/images", FORM, {"Idempotency-Key": "k1"})

    assert first.json == second.json
    assert len(api.get("/v1/images").json["images"]) == 1


def test_a_deleted_image_is_gone_with_its_objects(api: Api, wired: MemoryWired, ready: str) -> None:
    image = api.get(ready).json

    answer = api.delete(ready)

    assert (answer.status, answer.json) == (200, {**image, "thumbnails": {}})
    assert api.get(ready).status == 404
    assert api.delete(ready).status == 404
    assert wired.stored.contents() == {}


# Entity tags


def links_of_the_moment(wired: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on every link is another one, as those are that S3 takes."""
    link, made_links = wired.stored.link, iter(range(10**6))
    monkeypatch.setattr(wired.stored, "link", lambda *args: f"{link(*args)}&signature={next(made_links)}")


def test_an_image_without_links_has_a_tag_like_anything_else(api: Api) -> None:
    path = f"/v1/images/{add(api)['id']}"

    tag = api.get(path).headers["ETag"]

    assert re.fullmatch(TAG, tag)
    assert api.call("GET", path, headers={"If-None-Match": tag}).status == 304


def test_who_has_links_of_old_gets_new_ones(api: Api, wired: MemoryWired, ready: str, monkeypatch: pytest.MonkeyPatch) -> None:
    links_of_the_moment(wired, monkeypatch)
    first = api.get(ready)
    assert re.fullmatch(TAG_WITH_LINKS, first.headers["ETag"])

    again = api.call("GET", ready, headers={"If-None-Match": first.headers["ETag"]})

    assert again.status == 200
    assert again.json["thumbnails"] != first.json["thumbnails"]
    assert again.headers["ETag"][:33] == first.headers["ETag"][:33]


def test_an_image_that_is_as_it_was_seen_is_deleted_whatever_its_links_were(
    api: Api, wired: MemoryWired, ready: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    links_of_the_moment(wired, monkeypatch)
    tag = api.get(ready).headers["ETag"]

    assert api.call("DELETE", ready, headers={"If-Match": f"W/{tag}"}).status == 412
    assert api.call("DELETE", ready, headers={"If-Match": f'"other", {tag}'}).status == 200


def test_an_image_that_has_become_another_is_not_deleted(api: Api, wired: MemoryWired) -> None:
    image = add(api)
    path = f"/v1/images/{image['id']}"
    tag = api.get(path).headers["ETag"]
    upload(wired, image)

    assert api.call("DELETE", path, headers={"If-Match": tag}).status == 412
    assert api.get(path).json["status"] == "ready"


# On a product


def test_an_image_is_put_on_a_product(api: Api) -> None:
    image_id = add(api)["id"]

    assert made(api.put("/v1/products/85123A", product_body(image_id=image_id)))["image_id"] == image_id
    assert made(api.post("/v1/products", product_body(image_id=image_id)))["image_id"] == image_id

    api.delete(f"/v1/images/{image_id}")
    assert api.put("/v1/products/85123A", product_body(image_id=image_id, price=3)).status == 200
    assert api.put("/v1/products/new", product_body(image_id=image_id)).status == 404
    assert api.post("/v1/products", product_body(image_id=image_id)).status == 404


# The night


def test_the_night_rejects_what_was_never_uploaded(api: Api, wired: MemoryWired) -> None:
    path = f"/v1/images/{add(api)['id']}"

    daybook.tidy(scheduled(keys.instant(wired.clock.advance(days=2))), A_WHILE)

    shown = api.get(path).json
    assert (shown["status"], shown["reason"]) == ("rejected", "the file was never uploaded")
