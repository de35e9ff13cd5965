from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.errors import Invalid
from chalicelib.domain.files import StoredFile
from chalicelib.domain.images import (
    CONTENT_TYPES,
    SETTLED_AFTER,
    SIZES,
    Drawn,
    DrawnThumbnail,
    ImageDetails,
    ImageStatus,
    Rejection,
    Thumbnail,
    filename_in,
    image_key,
    is_settled,
    new_image,
    object_keys,
    ready,
    rejected,
    removal,
    tidied,
)
from tests.builders import NOW, an_image

SIDES = some.integers(1, 65_535)
LATER = NOW + timedelta(hours=1)
FILE = StoredFile(key="k", version_id="v2", etag="e", size=5, content_type="image/jpeg")
DRAWN = Drawn(width=4, height=3, thumbnails=(DrawnThumbnail("100x", 4, 3, b"small"),))
BY_NAME = {size.name: size for size in SIZES}


# The arithmetic of thumbnails


@pytest.mark.parametrize(
    ("name", "width", "height", "thumbnail"),
    [
        ("100x", 1800, 1200, (100, 67)),
        ("200x", 1800, 1200, (200, 133)),
        ("400x", 1800, 1200, (400, 267)),
        ("400x", 1200, 1800, (400, 600)),
        ("200x200", 1800, 1200, (200, 200)),
        ("100x", 4032, 3024, (100, 75)),
        ("400x", 400, 1, (400, 1)),
        ("100x", 300, 200, (100, 67)),
        ("100x", 200, 101, (100, 51)),
        ("400x", 399, 10, (399, 10)),
        ("100x", 1, 1, (1, 1)),
        ("200x200", 1, 1, (1, 1)),
        ("100x", 50_000, 10, (100, 1)),
        ("100x", 10, 50_000, (10, 50_000)),
        ("200x200", 10, 50_000, (10, 10)),
        ("200x200", 199, 300, (199, 199)),
    ],
)
def test_a_thumbnail_has_its_width_and_the_images_aspect(
    name: str, width: int, height: int, thumbnail: tuple[int, int]
) -> None:
    cut = BY_NAME[name].cut(width, height)

    assert (cut.width, cut.height) == thumbnail


@given(SIDES, SIDES)
def test_a_thumbnail_is_never_larger_than_what_it_is_cut_from(width: int, height: int) -> None:
    for one in SIZES:
        cut = one.cut(width, height)

        assert 1 <= cut.width <= min(one.width, cut.right - cut.left)
        assert 1 <= cut.height <= cut.bottom - cut.top
        assert 0 <= cut.left < cut.right <= width
        assert 0 <= cut.top < cut.bottom <= height


@given(SIDES, SIDES)
def test_a_thumbnail_shows_the_whole_image_within_half_a_pixel_of_its_aspect(width: int, height: int) -> None:
    for size in SIZES[:3]:
        cut = size.cut(width, height)

        assert cut[:4] == (0, 0, width, height)
        assert cut.width == min(size.width, width)
        exact = Fraction(height * cut.width, width)
        assert abs(cut.height - exact) <= Fraction(1, 2) or cut.height == 1 > exact


@given(SIDES, SIDES)
def test_a_square_is_the_largest_in_the_middle(width: int, height: int) -> None:
    cut = BY_NAME["200x200"].cut(width, height)

    assert cut.right - cut.left == cut.bottom - cut.top == min(width, height)
    assert (cut.left - 0, cut.top - 0) == (width - cut.right, height - cut.bottom)
    assert cut.width == cut.height == min(200, width, height)


@given(SIDES, SIDES)
def test_an_image_on_its_side_is_cut_as_the_upright_one_would_be(width: int, height: int) -> None:
    square = BY_NAME["200x200"]
    lying, upright = square.cut(width, height), square.cut(height, width)

    assert (lying.left, lying.top, lying.right, lying.bottom) == (upright.top, upright.left, upright.bottom, upright.right)


# What becomes of an image


def test_a_new_image_waits_for_its_file_for_a_day() -> None:
    image = new_image(ImageDetails(filename="a b.png", content_type="image/png"), account_id="acc_1", image_id="img_1", now=NOW)

    assert (image.status, image.version, image.due_at) == (ImageStatus.PENDING, 1, NOW + SETTLED_AFTER)
    assert image.key == "uploads/acc_1/img_1/a b.png"
    assert (image.width, image.height, image.thumbnails, image.reason, image.made_from) == (None, None, (), None, None)


@pytest.mark.parametrize("content_type", ["", "image/gif", "image/svg+xml", "IMAGE/JPEG", "image/jpeg; q=1", "text/html"])
def test_all_that_is_wrong_with_a_new_image_is_told_at_once(content_type: str) -> None:
    with pytest.raises(Invalid) as refused:
        new_image(ImageDetails(filename="a/b", content_type=content_type), account_id="acc_1", image_id="img_1", now=NOW)

    assert [error.pointer for error in refused.value.errors] == ["/filename", "/content_type"]
    assert refused.value.errors[1].detail == "must be one of image/jpeg, image/png, image/webp"


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_jpeg_png_and_webp_are_taken(content_type: str) -> None:
    details = ImageDetails(filename="a", content_type=content_type)

    assert new_image(details, account_id="acc_1", image_id="img_1", now=NOW).content_type == content_type


def test_a_ready_image_has_thumbnails_and_nothing_else_to_be_done() -> None:
    image = ready(rejected(an_image(), Rejection.DAMAGED, FILE, now=NOW), FILE, DRAWN, {"100x": "t1"}, now=LATER)

    assert (image.status, image.reason, image.due_at) == (ImageStatus.READY, None, None)
    assert (image.width, image.height, image.thumbnails) == (4, 3, (Thumbnail("100x", 4, 3, "t1"),))
    assert (image.made_from, image.version, image.updated_at) == ("v2", 3, LATER)


def test_a_rejected_image_has_a_reason_and_no_thumbnails() -> None:
    image = rejected(ready(an_image(), FILE, DRAWN, {"100x": "t1"}, now=NOW), Rejection.TRUNCATED, FILE, now=LATER)

    assert (image.status, image.reason) == (ImageStatus.REJECTED, "the file ends in the middle of the image")
    assert (image.width, image.height, image.thumbnails) == (None, None, ())
    assert (image.made_from, image.version, image.due_at) == ("v2", 3, LATER + SETTLED_AFTER)
    assert tidied(image) == replace(image, due_at=None, version=4)


def test_an_image_is_settled_for_the_version_it_was_made_from_alone() -> None:
    image = ready(an_image(), FILE, DRAWN, {"100x": "t1"}, now=NOW)

    assert is_settled(image, FILE)
    assert not is_settled(image, replace(FILE, version_id="v3"))
    assert not is_settled(an_image(), FILE)


def test_what_is_left_of_an_image_names_all_its_objects() -> None:
    left = removal(an_image(filename="ä b.jpg"), now=NOW)

    assert left.keys == object_keys("acc_1", "img_1", "ä b.jpg")
    assert left.keys == (
        "uploads/acc_1/img_1/ä b.jpg",
        "thumbnails/100x/acc_1/img_1/ä b.jpg",
        "thumbnails/200x/acc_1/img_1/ä b.jpg",
        "thumbnails/400x/acc_1/img_1/ä b.jpg",
        "thumbnails/200x200/acc_1/img_1/ä b.jpg",
    )


def test_every_reason_is_words_that_can_be_shown() -> None:
    for reason in Rejection:
        assert reason.value.startswith(("the file ", "the image "))
        assert reason.value.isascii()
        assert not reason.value.endswith(".")


@given(some.text(alphabet=some.characters(exclude_characters="/"), min_size=1))
def test_a_filename_is_found_in_its_key(filename: str) -> None:
    assert filename_in(image_key("acc_1", "img_1", filename)) == filename
