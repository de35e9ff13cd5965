"""Images: uploaded by their owner, seen through thumbnails that are made when they have arrived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

from chalicelib.domain.errors import Contended, NotFound
from chalicelib.domain.files import StoredFile, Upload, UploadForm
from chalicelib.domain.images import (
    MAX_BYTES,
    Drawn,
    Image,
    ImageDetails,
    ImageRemoval,
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
    thumbnail_key,
    tidied,
)
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.domain.statuses import ImageStatus
from chalicelib.domain.users import Caller
from chalicelib.usecases.contention import Check, unconditionally, until_uncontended
from chalicelib.usecases.pipelines import Gauge, measure
from chalicelib.usecases.sweeps import InTime, each, in_no_hurry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.ports import Clock, Files, Ids, Images, Thumbnailer, UnsettledImages, Uploads


class Gallery(Protocol):
    """What showing images needs."""

    @property
    def images(self) -> Images: ...
    @property
    def files(self) -> Files: ...


class NightDesk(Gallery, Protocol):
    """What looking after images needs."""

    @property
    def unsettled_images(self) -> UnsettledImages: ...
    @property
    def uploads(self) -> Uploads: ...


class Desk(NightDesk, Protocol):
    """What taking in and removing images needs."""

    @property
    def ids(self) -> Ids: ...
    @property
    def clock(self) -> Clock: ...


class Darkroom(Gallery, Gauge, Protocol):
    """What making thumbnails needs."""

    @property
    def uploads(self) -> Uploads: ...
    @property
    def thumbnailer(self) -> Thumbnailer: ...
    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedThumbnail:
    url: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownImage:
    """An image with links to its thumbnails, by the names of their sizes."""

    image: Image
    thumbnails: dict[str, LinkedThumbnail]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedImage(ShownImage):
    """With the form by which it is to be uploaded."""

    upload: UploadForm


def add_image(caller: Caller, details: ImageDetails, *, desk: Desk) -> AddedImage:
    """Raises: Invalid."""
    now = desk.clock.now()
    image = new_image(details, account_id=caller.account_id, image_id=desk.ids.new("img", now), now=now)
    desk.images.add(image)
    return _with_form(image, desk=desk)


def get_added_image(caller: Caller, image_id: str, *, desk: Desk) -> AddedImage:
    """The image with another form. Raises: NotFound."""
    return _with_form(desk.images.get(caller.account_id, image_id), desk=desk)


def get_image(caller: Caller, image_id: str, *, gallery: Gallery) -> ShownImage:
    """Raises: NotFound."""
    image = gallery.images.get(caller.account_id, image_id)
    return _shown(image, image.thumbnails, gallery=gallery)


def list_images(caller: Caller, request: PageRequest, *, gallery: Gallery) -> Page[ShownImage]:
    page = gallery.images.page(caller.account_id, request)
    return Page(items=tuple(_shown(image, image.thumbnails, gallery=gallery) for image in page.items), next=page.next)


def remove_image(caller: Caller, image_id: str, *, desk: Desk, check: Check[ShownImage] = unconditionally) -> ShownImage:
    """The image as it last was, without the thumbnails, which are gone. Raises: NotFound.

    What is left to be removed is noted with the removal of the image: the night finishes what is cut off here, and whoever
    asks again. Also what comes only now: a form is good for a while, and thumbnails may just be made.
    """

    def attempt() -> ShownImage:
        image = desk.images.get(caller.account_id, image_id)
        check(_shown(image, image.thumbnails, gallery=desk))
        left = removal(image, now=desk.clock.now())
        desk.images.remove(image, left)
        _remove_objects(left.keys, files=desk.files)
        return _shown(image, (), gallery=desk)

    try:
        return until_uncontended(attempt)
    except NotFound:
        unfinished = desk.unsettled_images.removal(caller.account_id, image_id)
        if unfinished is not None:
            _remove_objects(unfinished.keys, files=desk.files)
        raise


def take_upload(upload: Upload, *, desk: Darkroom) -> None:
    """Makes its thumbnails, and measures that."""
    measure("images", lambda: make_thumbnails(upload, desk=desk), desk=desk)


def make_thumbnails(upload: Upload, *, desk: Darkroom) -> None:
    """Gives the newest version of the upload its result, whichever version was told of, and however often.

    Which version that was is decided by one conditional write, after the thumbnails are kept and before what is not needed
    any more is removed: cut off anywhere it can be done again. Raises: what is no fault of the file.
    """

    def attempt() -> None:
        try:
            image = desk.images.get(upload.account_id, upload.file_id)
        except NotFound:
            _remove_left(upload, files=desk.files)
            return
        file = desk.uploads.head(image.key) if image.key == upload.key else None
        if file is None:  # what came was rejected and removed by now, or is no upload of ours
            return
        if is_settled(image, file) and _are_newest(image, desk.uploads):
            _clear_away(image, file, image.thumbnails, files=desk.files)
            return
        try:
            _settle(image, file, desk=desk)
        except NotFound:  # removed meanwhile: the next attempt removes what it has left
            raise Contended from None

    until_uncontended(attempt)


def _are_newest(image: Image, uploads: Uploads) -> bool:
    """Whether no thumbnails lie over the image's own: who was slower and then cut off has left some.

    The bucket keeps for long only the newest version of each.
    """
    for one in image.thumbnails:
        newest = uploads.head(thumbnail_key(one.name, image.account_id, image.id, image.filename))
        if newest is None or newest.version_id != one.version_id:
            return False
    return True


def look_after_images(as_of: datetime, *, desk: NightDesk, in_time: InTime = in_no_hurry) -> int:
    """Rejects what nothing has become of, and removes what was left behind; how many images it saw to. Raises: as `each`."""

    def look_after(account_id: str, image_id: str) -> int:
        left = desk.unsettled_images.removal(account_id, image_id)
        if left is not None:
            return _finish_removal(left, as_of, desk=desk)
        try:
            return _tidy(desk.images.get(account_id, image_id), as_of, desk=desk)
        except NotFound:  # removed since it was listed: that is due another night
            return 0

    due = desk.unsettled_images.due(as_of)
    return each(due, lambda one: until_uncontended(partial(look_after, *one)), "could not be looked after", in_time)


def _finish_removal(left: ImageRemoval, as_of: datetime, *, desk: NightDesk) -> int:
    if left.due_at > as_of:
        return 0
    _remove_objects(left.keys, files=desk.files)
    desk.unsettled_images.finish(left)
    return 1


def _tidy(image: Image, as_of: datetime, *, desk: NightDesk) -> int:
    """Raises: NotFound, Contended if it is not as it was read."""
    if image.due_at is None or image.due_at > as_of:
        return 0
    if image.status is ImageStatus.PENDING:
        file = desk.uploads.head(image.key)
        reason = Rejection.NEVER_UPLOADED if file is None else Rejection.NOT_PROCESSED
        image = rejected(image, reason, file, now=as_of)
        desk.images.save(image)
    _remove_objects(object_keys(image.account_id, image.id, image.filename), files=desk.files)
    desk.images.save(tidied(image))
    return 1


def _with_form(image: Image, *, desk: Desk) -> AddedImage:
    form = desk.uploads.form(image.key, image.content_type, MAX_BYTES)
    return AddedImage(image=image, thumbnails=_linked(image, image.thumbnails, files=desk.files), upload=form)


def _shown(image: Image, thumbnails: Iterable[Thumbnail], *, gallery: Gallery) -> ShownImage:
    return ShownImage(image=image, thumbnails=_linked(image, thumbnails, files=gallery.files))


def _linked(image: Image, thumbnails: Iterable[Thumbnail], *, files: Files) -> dict[str, LinkedThumbnail]:
    return {
        one.name: LinkedThumbnail(
            url=files.link(
                thumbnail_key(one.name, image.account_id, image.id, image.filename),
                one.version_id,
                image.filename,
                image.content_type,
            ),
            width=one.width,
            height=one.height,
        )
        for one in thumbnails
    }


def _settle(image: Image, file: StoredFile, *, desk: Darkroom) -> None:
    """Raises: Contended if somebody else was faster, with this version or a newer one, or removed the image."""
    drawn = _draw(image, file, desk=desk)
    if isinstance(drawn, Rejection):
        desk.images.save(settled := rejected(image, drawn, file, now=desk.clock.now()))
    else:
        settled = _keep(image, file, drawn, desk=desk)
    _clear_away(settled, file, image.thumbnails, files=desk.files)


def _draw(image: Image, file: StoredFile, *, desk: Darkroom) -> Drawn | Rejection:
    """Raises: Contended if that version of the file is gone."""
    if file.size > MAX_BYTES:
        return Rejection.TOO_MANY_BYTES
    try:
        content = b"".join(desk.uploads.read(file))
    except NotFound:
        raise Contended from None
    return desk.thumbnailer.draw(content, image.content_type)


def _keep(image: Image, file: StoredFile, drawn: Drawn, *, desk: Darkroom) -> Image:
    """The image, ready. Thumbnails that nobody will hear of are dropped again."""
    versions: dict[str, str] = {}
    try:
        for one in drawn.thumbnails:
            key = thumbnail_key(one.name, image.account_id, image.id, image.filename)
            versions[one.name] = desk.files.put(key, one.content, image.content_type)
        settled = ready(image, file, drawn, versions, now=desk.clock.now())
        desk.images.save(settled)
    except (Contended, NotFound):
        for name, version in versions.items():
            desk.files.drop(thumbnail_key(name, image.account_id, image.id, image.filename), version)
        raise Contended from None
    return settled


def _clear_away(image: Image, file: StoredFile, before: Iterable[Thumbnail], *, files: Files) -> None:
    """Removes the upload that was rejected, with those before it, and thumbnails that the image had before and has no more."""
    if image.status is ImageStatus.REJECTED:
        files.remove(image.key, file.version_id)
    for one in before:
        if one not in image.thumbnails:
            files.drop(thumbnail_key(one.name, image.account_id, image.id, image.filename), one.version_id)


def _remove_left(upload: Upload, *, files: Files) -> None:
    """What came for an image that is gone, or was made of it."""
    filename = filename_in(upload.key)
    if upload.key == image_key(upload.account_id, upload.file_id, filename):
        _remove_objects(object_keys(upload.account_id, upload.file_id, filename), files=files)


def _remove_objects(keys: Iterable[str], *, files: Files) -> None:
    for key in keys:
        files.remove(key)
