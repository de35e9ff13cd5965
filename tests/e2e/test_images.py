"""Photos and what comes of them, in the deployed application, from outside."""

import io
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image, ImageChops, ImageStat

from chalicelib.domain.identifiers import make_id
from tests.builders import NOW
from tests.e2e.conftest import TIMEOUT_SECONDS, Deployed, User, upload

pytestmark = [pytest.mark.deployed, pytest.mark.xdist_group("deployed")]

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "photos"
ODD_NAME = "Müller + Söhne 😀 #1.jpg"
SECRET = "Ockham Park, Ada's place"
TURNED = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
"""How a camera keeps an upright scene, by the orientation that it notes."""
COLOURS = {(0.25, 0.25): "red", (0.75, 0.25): "lime", (0.25, 0.75): "blue", (0.75, 0.75): "white"}
ORIENTATION, DESCRIPTION, GPS = 0x0112, 0x010E, 0x8825


def scene(width: int = 1200, height: int = 800) -> Image.Image:
    picture = Image.new("RGB", (width, height))
    for (x, y), colour in COLOURS.items():
        picture.paste(
            colour, (int((x - 0.25) * width), int((y - 0.25) * height), int((x + 0.25) * width), int((y + 0.25) * height))
        )
    return picture


def photo(kind: str = "JPEG", *, orientation: int = 1, size: tuple[int, int] = (1200, 800)) -> bytes:
    """As a camera has it that is held askew, and that tells everybody where it was."""
    picture, exif, file = scene(*size), Image.Exif(), io.BytesIO()
    exif[ORIENTATION], exif[DESCRIPTION] = orientation, SECRET
    exif.get_ifd(GPS).update({1: "N", 2: (51.0, 16.0, 38.0), 3: "W", 4: (0.0, 28.0, 12.0)})
    if orientation in TURNED:
        picture = picture.transpose(TURNED[orientation])
    picture.save(file, kind, exif=exif)
    return file.getvalue()


def add(user: User, filename: str = "photo.jpg", content_type: str = "image/jpeg") -> Any:
    return user.ask("POST", "/v1/images", {"filename": filename, "content_type": content_type}, status=201)


def settled(deployed: Deployed, user: User, image_id: str, is_meant: Callable[[Any], bool] = lambda _: True) -> Any:
    def look() -> Any:
        image = user.ask("GET", f"/v1/images/{image_id}")
        return image if image["status"] != "pending" and is_meant(image) else None

    return deployed.wait_for(look)


def uploaded(deployed: Deployed, user: User, content: bytes, *names: str) -> Any:
    image = add(user, *names)
    assert upload(image["upload"], content).status_code == 204
    return settled(deployed, user, image["id"])


def fetched(thumbnail: Any) -> requests.Response:
    answer = requests.get(thumbnail["url"], timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 200, answer.text
    return answer


def is_newer(before: Any, now: Any) -> bool:
    """Whether its thumbnails have been made once more."""
    old, new = (re.findall("versionId=([^&]+)", image["thumbnails"]["100x"]["url"]) for image in (before, now))
    return bool(old != new)


def opened(thumbnail: Any) -> Image.Image:
    picture = Image.open(io.BytesIO(fetched(thumbnail).content))
    picture.load()
    return picture


def objects(deployed: Deployed, user: User) -> set[str]:
    """The folders of all that is kept of an account's images, in whatever version."""
    pages = deployed.client("s3").get_paginator("list_object_versions")
    listed = pages.paginate(Bucket=deployed.deployment.outputs["FilesBucketName"])
    keys = [one["Key"] for page in listed for one in page.get("Versions", ())]
    return {key.partition(f"/{user.account_id}/")[0] for key in keys if f"/{user.account_id}/" in key}


def refusal(answer: requests.Response) -> tuple[int, str]:
    [code] = re.findall("<Code>(.*)</Code>", answer.text)
    return answer.status_code, code


@pytest.fixture(scope="module")
def user(deployed: Deployed) -> User:
    return User(deployed.url)


@pytest.mark.parametrize("orientation", [1, *TURNED])
def test_a_photo_becomes_thumbnails_that_stand_upright_and_tell_nothing(
    deployed: Deployed, user: User, orientation: int
) -> None:
    image = uploaded(deployed, user, photo(orientation=orientation), ODD_NAME)

    assert (image["status"], image["width"], image["height"], image["filename"]) == ("ready", 1200, 800, ODD_NAME)
    sizes = {name: (one["width"], one["height"]) for name, one in image["thumbnails"].items()}
    assert sizes == {"100x": (100, 67), "200x": (200, 133), "400x": (400, 267), "200x200": (200, 200)}
    for name, thumbnail in image["thumbnails"].items():
        answer, picture = fetched(thumbnail), opened(thumbnail)
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert (picture.format, picture.size) == ("JPEG", sizes[name])
        assert (dict(picture.getexif()), picture.info.keys() & {"exif", "comment", "icc_profile", "xmp"}) == ({}, set())
        assert SECRET.encode() not in answer.content
        for (x, y), colour in COLOURS.items():
            seen = picture.getpixel((int(x * picture.width), int(y * picture.height)))
            meant = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
            assert isinstance(seen, tuple)
            assert isinstance(meant, tuple)
            assert all(abs(a - b) < 25 for a, b in zip(seen, meant, strict=True)), (name, colour, seen)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_is_no_jpeg_stays_what_it_is_and_what_is_small_is_not_enlarged(deployed: Deployed, user: User, kind: str) -> None:
    content_type = f"image/{kind.lower()}"
    image = uploaded(deployed, user, photo(kind, size=(300, 150)), f"small.{kind.lower()}", content_type)

    sizes = {name: (one["width"], one["height"]) for name, one in image["thumbnails"].items()}
    assert sizes == {"100x": (100, 50), "200x": (200, 100), "400x": (300, 150), "200x200": (150, 150)}
    pictures = {name: opened(thumbnail) for name, thumbnail in image["thumbnails"].items()}
    assert {name: (picture.format, picture.size) for name, picture in pictures.items()} == {
        name: (kind, size) for name, size in sizes.items()
    }
    assert all(SECRET.encode() not in fetched(one).content for one in image["thumbnails"].values())
    assert fetched(image["thumbnails"]["100x"]).headers["Content-Type"] == content_type


@pytest.mark.skipif(not PHOTOS.exists(), reason="the real photos lie beside the project")
def test_real_photos_stand_upright_whichever_way_the_camera_was_held(deployed: Deployed, user: User) -> None:
    images = {path.stem: uploaded(deployed, user, path.read_bytes(), path.name) for path in sorted(PHOTOS.glob("*.jpg"))}

    lying = [name for name, image in images.items() if (image["width"] > image["height"]) != name.startswith("Landscape")]
    assert (len(images), lying) == (4, [])
    first = opened(images["Landscape_1"]["thumbnails"]["400x"])
    for other in ("Landscape_3", "Landscape_6"):
        picture = opened(images[other]["thumbnails"]["400x"])
        assert picture.size == first.size
        assert max(ImageStat.Stat(ImageChops.difference(first, picture)).mean) < 8, other


def test_s3_takes_nothing_but_what_the_form_is_for(deployed: Deployed, user: User) -> None:
    image = add(user)
    form, content = image["upload"], photo()
    largest = 20 * 1024 * 1024

    assert refusal(upload(form, b"\0" * (largest + 1))) == (400, "EntityTooLarge")
    assert refusal(upload(form, content, **{"Content-Type": "text/html"})) == (403, "AccessDenied")
    assert refusal(upload(form, content, key=form["fields"]["key"] + ".html")) == (403, "AccessDenied")
    assert refusal(upload(form, content, key="thumbnails/100x/mine.jpg")) == (403, "AccessDenied")
    assert user.ask("GET", f"/v1/images/{image['id']}")["status"] == "pending"

    padded = content + b"\0" * (largest - len(content))
    assert upload(form, padded).status_code == 204
    assert settled(deployed, user, image["id"])["status"] == "ready"


def test_nobody_reads_a_thumbnail_without_its_link(deployed: Deployed, user: User) -> None:
    url: str = uploaded(deployed, user, photo())["thumbnails"]["100x"]["url"]

    for other in (url.partition("?")[0], url.replace("/100x/", "/200x/")):
        assert requests.get(other, timeout=TIMEOUT_SECONDS).status_code == 403


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"Dear Ada, this is no photo.", "the file is not a JPEG, PNG or WebP image"),
        (photo("PNG"), "the file is an image of another type than was announced"),
        (photo()[:-5000], "the file ends in the middle of the image"),
        (b"", "the file is empty"),
    ],
    ids=["letter", "another-type", "cut-off", "empty"],
)
def test_what_is_no_such_image_is_rejected_with_the_reason_and_not_kept(
    deployed: Deployed, content: bytes, reason: str
) -> None:
    user = User(deployed.url)

    image = uploaded(deployed, user, content)

    assert (image["status"], image["reason"], image["thumbnails"]) == ("rejected", reason, {})
    deployed.wait_for(lambda: objects(deployed, user) == set() or None)


def test_of_several_uploads_with_one_form_the_last_counts(deployed: Deployed, user: User) -> None:
    image = add(user)
    upload(image["upload"], photo())
    shown = settled(deployed, user, image["id"])

    for _ in "first", "the same again":
        upload(image["upload"], photo(size=(600, 800)))
        shown = settled(deployed, user, image["id"], partial(is_newer, shown))
        assert [shown[name] for name in ("status", "width", "height")] == ["ready", 600, 800]
        assert opened(shown["thumbnails"]["400x"]).size == (400, 533)


def test_a_removed_image_leaves_nothing_behind_even_if_it_is_uploaded_once_more(deployed: Deployed) -> None:
    user = User(deployed.url)
    form, image = (added := add(user))["upload"], added["id"]
    upload(form, photo())
    url = settled(deployed, user, image)["thumbnails"]["100x"]["url"]
    assert objects(deployed, user) == {"uploads", *(f"thumbnails/{size}" for size in ("100x", "200x", "400x", "200x200"))}

    user.ask("DELETE", f"/v1/images/{image}")

    assert user.send("GET", f"/v1/images/{image}").status_code == 404
    assert user.ask("GET", "/v1/images")["images"] == []
    assert requests.get(url, timeout=TIMEOUT_SECONDS).status_code == 404
    assert objects(deployed, user) == set()
    assert upload(form, photo()).status_code == 204
    deployed.wait_for(lambda: objects(deployed, user) == set() or None)


def test_a_product_shows_an_image_of_its_own_account_and_no_other(deployed: Deployed, user: User) -> None:
    image_id = uploaded(deployed, user, photo())["id"]
    lamp = {"name": "Lamp", "price": 5, "image_id": image_id}

    assert user.ask("PUT", "/v1/products/lamp", lamp, status=201)["image_id"] == image_id
    stranger = User(deployed.url)
    for method in ("GET", "DELETE"):
        assert stranger.send(method, f"/v1/images/{image_id}").status_code == 404
    for nobodys in (image_id, make_id("img", NOW, bytes(10))):
        assert stranger.send("PUT", "/v1/products/lamp", {**lamp, "image_id": nobodys}).status_code == 404
    assert stranger.ask("GET", "/v1/images")["images"] == []
    assert user.ask("GET", f"/v1/images/{image_id}")["status"] == "ready"
