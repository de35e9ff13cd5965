"""Images, and what is left of those that are gone, in memory and in DynamoDB."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from chalicelib.domain.errors import Contended, NotFound
from chalicelib.domain.files import StoredFile
from chalicelib.domain.images import SETTLED_AFTER, SIZES, Drawn, DrawnThumbnail, Image, Rejection, ready, rejected, removal
from chalicelib.domain.images import tidied as tidied_up
from chalicelib.domain.paging import PageRequest
from tests.builders import NOW, an_image
from tests.consistency import check_table
from tests.contract.stores import DynamoStore, Store, items_in, opened
from tests.contract.test_products import all_pages
from tests.usecases.test_invoicing import at_once

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DUE = NOW + SETTLED_AFTER
FILE = StoredFile(key="uploads/acc_1/img_1/Lantern 1.jpg", version_id="v1", etag="e", size=5, content_type="image/jpeg")
DRAWN = Drawn(width=4, height=3, thumbnails=tuple(DrawnThumbnail(size.name, 4, 3, b"x") for size in SIZES))


def made_ready(image: Image) -> Image:
    return ready(image, FILE, DRAWN, {size.name: f"t-{size.name}" for size in SIZES}, now=NOW)


@pytest.mark.parametrize(
    "image",
    [
        an_image(),
        an_image(filename="Müller + Söhne 🏡.jpg"),
        made_ready(an_image()),
        rejected(an_image(), Rejection.TRUNCATED, FILE, now=NOW),
        tidied_up(rejected(an_image(), Rejection.NEVER_UPLOADED, None, now=NOW)),
    ],
)
def test_an_image_comes_back_as_it_went_in(store: Store, image: Image) -> None:
    store.images.add(image)

    assert store.images.get("acc_1", "img_1") == image


@pytest.mark.parametrize("image_id", ["img_2", "", "a#b", "x" * 65, "img_1#", "../img_1"])
def test_an_image_that_is_not_there_or_another_accounts_is_not_found(store: Store, image_id: str) -> None:
    store.images.add(an_image("img_1"))
    store.images.add(an_image("img_2", account_id="acc_2"))

    with pytest.raises(NotFound):
        store.images.get("acc_1", image_id)


def test_no_image_is_added_twice(store: Store) -> None:
    store.images.add(an_image())

    with pytest.raises(Contended):
        store.images.add(an_image(filename="other.jpg"))

    assert store.images.get("acc_1", "img_1") == an_image()


def test_an_image_is_saved_over_the_version_before_it_only(store: Store) -> None:
    store.images.add(an_image())
    settled = made_ready(an_image())
    store.images.save(settled)

    with pytest.raises(Contended):
        store.images.save(rejected(an_image(), Rejection.DAMAGED, FILE, now=NOW))

    assert store.images.get("acc_1", "img_1") == settled


def test_what_is_gone_is_not_saved(store: Store) -> None:
    with pytest.raises(NotFound):
        store.images.save(made_ready(an_image()))


def test_of_many_who_settle_an_image_at_once_one_does(store: Store) -> None:
    store.images.add(an_image())

    results = at_once(*[lambda: store.images.save(made_ready(an_image()))] * 8)

    assert sum(result is None for result in results) == 1
    assert store.images.get("acc_1", "img_1").version == 2


def test_images_are_listed_newest_first_page_by_page(store: Store) -> None:
    for number in (3, 1, 5, 2, 4):
        store.images.add(an_image(f"img_{number}"))
    store.images.add(an_image("img_9", account_id="acc_2"))
    store.images.remove(an_image("img_2"), removal(an_image("img_2"), now=NOW))

    def pages(limit: int) -> list[list[str]]:
        return all_pages(lambda request: store.images.page("acc_1", request), limit)

    assert pages(2) == [["img_5", "img_4"], ["img_3", "img_1"]]
    assert pages(3) == [["img_5", "img_4", "img_3"], ["img_1"]]
    assert [image.id for image in store.images.page("acc_1", PageRequest(limit=2, after="img_4")).items] == ["img_3", "img_1"]


def test_an_image_that_is_removed_leaves_a_note_of_what_is_to_be_done(store: Store) -> None:
    store.images.add(an_image())
    left = removal(an_image(), now=NOW)
    assert store.unsettled_images.removal("acc_1", "img_1") is None

    store.images.remove(an_image(), left)

    with pytest.raises(NotFound):
        store.images.get("acc_1", "img_1")
    assert store.unsettled_images.removal("acc_1", "img_1") == left
    assert store.unsettled_images.removal("acc_2", "img_1") is None
    store.unsettled_images.finish(left)
    store.unsettled_images.finish(left)
    assert store.unsettled_images.removal("acc_1", "img_1") is None


def test_an_image_is_removed_as_it_was_read_or_not_at_all(store: Store) -> None:
    store.images.add(an_image())
    store.images.save(made_ready(an_image()))

    with pytest.raises(Contended):
        store.images.remove(an_image(), removal(an_image(), now=NOW))
    with pytest.raises(NotFound):
        store.images.remove(an_image("img_2"), removal(an_image("img_2"), now=NOW))

    assert store.images.get("acc_1", "img_1").version == 2
    assert store.unsettled_images.removal("acc_1", "img_1") is None


def test_the_night_sees_what_is_due_of_all_accounts_and_nothing_else(store: Store) -> None:
    pending = an_image("img_1")
    done = made_ready(an_image("img_2"))
    refused = rejected(an_image("img_3"), Rejection.DAMAGED, FILE, now=NOW)
    tidied = tidied_up(replace(refused, id="img_4"))
    later = replace(an_image("img_5"), due_at=DUE + timedelta(seconds=1))
    gone = an_image("img_6", account_id="acc_2")
    for image in (pending, done, refused, tidied, later, gone):
        store.images.add(image)
    store.images.remove(gone, removal(gone, now=NOW))

    assert sorted(store.unsettled_images.due(DUE)) == [("acc_1", "img_1"), ("acc_1", "img_3"), ("acc_2", "img_6")]
    assert list(store.unsettled_images.due(DUE - timedelta(seconds=1))) == []


def test_what_was_due_and_is_settled_is_due_no_more(store: Store) -> None:
    store.images.add(an_image())
    store.images.save(made_ready(an_image()))

    assert list(store.unsettled_images.due(DUE)) == []


def test_images_fit_together_in_the_table(dynamo_store: DynamoStore, client: "DynamoDBClient") -> None:
    opened(dynamo_store)
    images = (an_image(), made_ready(an_image()), rejected(an_image(), Rejection.DAMAGED, FILE, now=NOW))
    for number, image in enumerate(images):
        dynamo_store.images.add(replace(image, id=f"img_{number}"))
    dynamo_store.images.remove(an_image("img_0"), removal(an_image("img_0"), now=NOW))

    assert check_table(items_in(client)) == []
    assert {item["type"]["S"] for item in items_in(client)} >= {"image", "image_removal"}
