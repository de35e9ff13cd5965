"""Images in memory; they pass the same contract as those in DynamoDB."""

from collections.abc import Iterator
from datetime import datetime
from threading import RLock
from typing import Protocol

from chalicelib.domain.errors import Contended, NotFound
from chalicelib.domain.images import Image, ImageRemoval
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.repositories import keys
from chalicelib.repositories.keys import Key
from chalicelib.repositories.memory_products import Committing, within
from chalicelib.repositories.pages import first_page


class Gallery(Protocol):
    """What is kept of images, by the keys that they have in DynamoDB."""

    lock: RLock
    images: dict[Key, Image]
    image_removals: dict[Key, ImageRemoval]


class _OfGallery:
    def __init__(self, gallery: Gallery, committing: Committing) -> None:
        self._gallery = gallery
        self._committing = committing


class MemoryImages(_OfGallery):
    def add(self, image: Image) -> None:
        key = keys.image(image.account_id, image.id)
        with self._committing(image=image.id):
            if key in self._gallery.images:
                raise Contended
            self._gallery.images[key] = image

    def get(self, account_id: str, image_id: str) -> Image:
        image = self._gallery.images.get(keys.image(account_id, image_id))
        if image is None:
            raise NotFound
        return image

    def page(self, account_id: str, request: PageRequest) -> Page[Image]:
        after = None if request.after is None else keys.image(account_id, request.after).sk
        with self._gallery.lock:
            images = within(self._gallery.images, keys.images(account_id))
        left = (image for image in reversed(images) if after is None or keys.image(account_id, image.id).sk < after)
        return first_page(left, request.limit, lambda image: image.id)

    def save(self, image: Image) -> None:
        with self._committing(image=image.id):
            if self.get(image.account_id, image.id).version != image.version - 1:
                raise Contended
            self._gallery.images[keys.image(image.account_id, image.id)] = image

    def remove(self, image: Image, removal: ImageRemoval) -> None:
        with self._committing():
            if self.get(image.account_id, image.id).version != image.version:
                raise Contended
            del self._gallery.images[keys.image(image.account_id, image.id)]
            self._gallery.image_removals[keys.image_removal(removal.account_id, removal.image_id)] = removal


class MemoryUnsettledImages(_OfGallery):
    def removal(self, account_id: str, image_id: str) -> ImageRemoval | None:
        return self._gallery.image_removals.get(keys.image_removal(account_id, image_id))

    def finish(self, removal: ImageRemoval) -> None:
        with self._committing():
            self._gallery.image_removals.pop(keys.image_removal(removal.account_id, removal.image_id), None)

    def due(self, as_of: datetime) -> Iterator[tuple[str, str]]:
        with self._gallery.lock:
            kept: dict[Key, Image | ImageRemoval] = {**self._gallery.images, **self._gallery.image_removals}
        due = [(one.due_at, key) for key, one in kept.items() if one.due_at is not None and one.due_at <= as_of]
        for _, key in sorted(due):
            yield key.pk, keys.image_id_of(key)
