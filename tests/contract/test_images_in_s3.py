"""Images from the form to the link, with Pillow and with objects in S3 (moto): nothing is left when they are gone."""

from io import BytesIO
from typing import Any

import pytest
import requests
from PIL import Image

from benchmarks.costly_images import bomb
from chalicelib.domain.errors import NotFound
from chalicelib.domain.files import Upload
from chalicelib.domain.images import ImageDetails, ImageStatus, Rejection
from chalicelib.gateways.thumbnailer import PillowThumbnailer
from chalicelib.repositories.files import S3Files
from chalicelib.usecases import images
from tests.builders import a_caller
from tests.contract.test_files import BUCKET, NAMES, s3, versions_of
from tests.gateways.test_thumbnailer import a_picture as a_photo
from tests.gateways.test_thumbnailer import assert_upright, exif_of, saved
from tests.wired import MemoryWired

ADA = a_caller()
__all__ = ["s3"]


@pytest.fixture
def shop(s3: Any) -> MemoryWired:
    stored: Any = S3Files(s3, BUCKET)
    return MemoryWired(stored=stored, thumbnailer=PillowThumbnailer())


def post(shop: MemoryWired, name: str, content: bytes, content_type: str = "image/jpeg") -> str:
    """The id of an image for which that was posted with its form, and S3's event handled."""
    added = images.add_image(ADA, ImageDetails(filename=name, content_type=content_type), desk=shop)
    fields = dict(added.upload.fields)
    sent = requests.post(added.upload.url, data=fields, files={"file": (name, content, content_type)}, timeout=10)
    assert sent.status_code == 204
    upload = Upload(account_id="acc_1", file_id=added.image.id, key=fields["key"])
    images.make_thumbnails(upload, desk=shop)
    return added.image.id


@pytest.mark.parametrize("name", NAMES)
def test_a_photo_on_its_side_is_seen_upright_through_every_link_and_leaves_nothing(
    shop: MemoryWired, s3: Any, name: str
) -> None:
    lying = a_photo().transpose(Image.Transpose.ROTATE_90)
    image_id = post(shop, name, saved(lying, exif=exif_of(6)))

    shown = images.get_image(ADA, image_id, gallery=shop)

    assert (shown.image.status, shown.image.width, shown.image.height) == (ImageStatus.READY, 900, 600)
    for thumbnail in shown.thumbnails.values():
        with Image.open(BytesIO(requests.get(thumbnail.url, timeout=10).content)) as seen:
            assert seen.size == (thumbnail.width, thumbnail.height)
            assert_upright(seen)
    assert len(versions_of(s3)) == 5

    images.remove_image(ADA, image_id, desk=shop)

    assert versions_of(s3) == []
    with pytest.raises(NotFound):
        images.get_image(ADA, image_id, gallery=shop)


@pytest.mark.parametrize(
    ("content", "reason"), [(bomb(), Rejection.TOO_MANY_PIXELS), (b"<svg/>", Rejection.NO_IMAGE), (b"", Rejection.EMPTY)]
)
def test_what_is_rejected_leaves_no_object(shop: MemoryWired, s3: Any, content: bytes, reason: Rejection) -> None:
    image_id = post(shop, "a b.png", content, "image/png")

    assert images.get_image(ADA, image_id, gallery=shop).image.reason == reason
    assert versions_of(s3) == []
