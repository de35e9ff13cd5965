"""Images: what was uploaded, what became of it, and the arithmetic of thumbnails."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from chalicelib.domain.errors import FieldError, Invalid
from chalicelib.domain.files import StoredFile, filename_faults, upload_key
from chalicelib.domain.statuses import ImageStatus as ImageStatus

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 50_000_000
MAX_SIDE = 65_535
"""A JPEG has no longer one."""
MAX_THUMBNAIL_PIXELS = 4_000_000
CONTENT_TYPES = ("image/jpeg", "image/png", "image/webp")
SETTLED_AFTER = timedelta(hours=24)
"""A form is good for 15 minutes and S3's events come for hours, with what is tried again: after that nothing comes any more."""


class Rejection(StrEnum):
    """Why an image is rejected, in words for a person."""

    EMPTY = "the file is empty"
    TOO_MANY_BYTES = "the file has more than 20 MiB"
    NO_IMAGE = "the file is not a JPEG, PNG or WebP image"
    OTHER_TYPE = "the file is an image of another type than was announced"
    TOO_MANY_PIXELS = "the image has more than 50 megapixels"
    TOO_LONG = "the image has a side of more than 65535 pixels"
    TOO_NARROW = "the image is so long and narrow that a thumbnail of it would have more than 4 megapixels"
    TOO_COSTLY = "the image takes too much memory or time to be read; saved in another way it may be taken"
    TRUNCATED = "the file ends in the middle of the image"
    DAMAGED = "the image is damaged and cannot be read"
    NEVER_UPLOADED = "the file was never uploaded"
    NOT_PROCESSED = "the image could not be processed"


class Cut(NamedTuple):
    """The part of an image, in its pixels, that becomes a thumbnail of `width` by `height`."""

    left: float
    top: float
    right: float
    bottom: float
    width: int
    height: int


class ThumbnailSize(NamedTuple):
    """As wide as `width` with the image's own aspect, or a square of that side from its middle; never larger than the image."""

    name: str
    width: int
    square: bool = False

    def cut(self, width: int, height: int) -> Cut:
        if not self.square:
            wide = min(self.width, width)
            # Rounded half up; a line however thin stays to be seen.
            return Cut(0, 0, width, height, wide, max(1, (2 * height * wide + width) // (2 * width)))
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return Cut(left, top, left + side, top + side, min(self.width, side), min(self.width, side))


SIZES = (
    ThumbnailSize("100x", 100),
    ThumbnailSize("200x", 200),
    ThumbnailSize("400x", 400),
    ThumbnailSize("200x200", 200, square=True),
)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A thumbnail that is kept: its size's name, its sides in pixels, and the version under its key."""

    name: str
    width: int
    height: int
    version_id: str


@dataclass(frozen=True, slots=True)
class DrawnThumbnail:
    name: str
    width: int
    height: int
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What was made of an upload: the sides of the upright image, and a thumbnail of each size, of the type it was."""

    width: int
    height: int
    thumbnails: tuple[DrawnThumbnail, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDetails:
    filename: str
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image as kept. `made_from` is the version of the upload that it was made from, or rejected for.

    At `due_at` the night looks after it: at what nothing has become of, and at what may be left of a rejected one.
    """

    account_id: str
    id: str
    filename: str
    content_type: str
    status: ImageStatus = ImageStatus.PENDING
    reason: Rejection | None = None
    width: int | None = None
    height: int | None = None
    thumbnails: tuple[Thumbnail, ...] = ()
    made_from: str | None = None
    due_at: datetime | None = None
    version: int = 1
    created_at: datetime
    updated_at: datetime

    @property
    def key(self) -> str:
        """Where it is uploaded to."""
        return image_key(self.account_id, self.id, self.filename)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRemoval:
    """What is left of an image that is gone, until none of its objects can come any more."""

    account_id: str
    image_id: str
    filename: str
    due_at: datetime

    @property
    def keys(self) -> tuple[str, ...]:
        """Of all objects that it may have."""
        return object_keys(self.account_id, self.image_id, self.filename)


def new_image(details: ImageDetails, *, account_id: str, image_id: str, now: datetime) -> Image:
    """Raises: Invalid."""
    faults = [*filename_faults(details.filename)]
    if details.content_type not in CONTENT_TYPES:
        faults.append(FieldError("/content_type", f"must be one of {', '.join(CONTENT_TYPES)}"))
    if faults:
        raise Invalid(faults)
    return Image(
        account_id=account_id,
        id=image_id,
        filename=details.filename,
        content_type=details.content_type,
        due_at=now + SETTLED_AFTER,
        created_at=now,
        updated_at=now,
    )


def is_settled(image: Image, file: StoredFile) -> bool:
    """Whether that version of the upload has had its result."""
    return image.made_from == file.version_id


def ready(image: Image, file: StoredFile, drawn: Drawn, versions: Mapping[str, str], *, now: datetime) -> Image:
    """`versions` are those that the thumbnails have been kept as, by the name of their size."""
    return replace(
        image,
        status=ImageStatus.READY,
        reason=None,
        width=drawn.width,
        height=drawn.height,
        thumbnails=tuple(Thumbnail(one.name, one.width, one.height, versions[one.name]) for one in drawn.thumbnails),
        made_from=file.version_id,
        due_at=None,
        version=image.version + 1,
        updated_at=now,
    )


def rejected(image: Image, reason: Rejection, file: StoredFile | None, *, now: datetime) -> Image:
    """For what is in that version of the upload, or without one for what never came."""
    return replace(
        image,
        status=ImageStatus.REJECTED,
        reason=reason,
        width=None,
        height=None,
        thumbnails=(),
        made_from=None if file is None else file.version_id,
        due_at=now + SETTLED_AFTER,
        version=image.version + 1,
        updated_at=now,
    )


def tidied(image: Image) -> Image:
    """A rejected image of which nothing is left to be removed."""
    return replace(image, due_at=None, version=image.version + 1)


def removal(image: Image, *, now: datetime) -> ImageRemoval:
    return ImageRemoval(account_id=image.account_id, image_id=image.id, filename=image.filename, due_at=now + SETTLED_AFTER)


def image_key(account_id: str, image_id: str, filename: str) -> str:
    return upload_key("uploads", account_id, image_id, filename)


def thumbnail_key(size_name: str, account_id: str, image_id: str, filename: str) -> str:
    return upload_key(f"thumbnails/{size_name}", account_id, image_id, filename)


def object_keys(account_id: str, image_id: str, filename: str) -> tuple[str, ...]:
    """Of the upload and all its thumbnails."""
    thumbnails = (thumbnail_key(size.name, account_id, image_id, filename) for size in SIZES)
    return (image_key(account_id, image_id, filename), *thumbnails)


def filename_in(key: str) -> str:
    """The last part of a key of ours: no filename has a slash."""
    return key.rpartition("/")[2]
