"""Images, and what is left of those that are gone, in DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from chalicelib.domain.images import Image, ImageRemoval
from chalicelib.domain.paging import Page, PageRequest
from chalicelib.repositories import keys
from chalicelib.repositories.due import due_items
from chalicelib.repositories.items import Item, from_item, to_item
from chalicelib.repositories.keys import Key
from chalicelib.repositories.pages import page_by_id
from chalicelib.repositories.table import Table
from chalicelib.repositories.writes import add, delete, put


class DynamoImages:
    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, image: Image) -> None:
        self._table.transact(add(_image_item(image)))

    def get(self, account_id: str, image_id: str) -> Image:
        return from_item(self._table.find(keys.image(account_id, image_id)), Image)

    def page(self, account_id: str, request: PageRequest) -> Page[Image]:
        return page_by_id(self._table, Image, keys.images(account_id), partial(keys.image, account_id), request)

    def save(self, image: Image) -> None:
        self._table.transact(put(_image_item(image), condition="#version = :before", before=image.version - 1))

    def remove(self, image: Image, removal: ImageRemoval) -> None:
        gone = delete(keys.image(image.account_id, image.id), condition="#version = :version", version=image.version)
        key = keys.image_removal(removal.account_id, removal.image_id)
        self._table.transact(gone, put(to_item(key, "image_removal", removal, due=keys.IMAGES)))


class DynamoUnsettledImages:
    def __init__(self, table: Table) -> None:
        self._table = table

    def removal(self, account_id: str, image_id: str) -> ImageRemoval | None:
        item = self._table.get(keys.image_removal(account_id, image_id))
        return None if item is None else from_item(item, ImageRemoval)

    def finish(self, removal: ImageRemoval) -> None:
        self._table.transact(delete(keys.image_removal(removal.account_id, removal.image_id)))

    def due(self, as_of: datetime) -> Iterator[tuple[str, str]]:
        """Those that were due first, first."""
        for item in due_items(self._table, keys.IMAGES, as_of):
            yield item["pk"], keys.image_id_of(Key(item["pk"], item["sk"]))


def _image_item(image: Image) -> Item:
    """On the index only as long as something is to be seen to."""
    due = {} if image.due_at is None else {"due": keys.IMAGES}
    return to_item(keys.image(image.account_id, image.id), "image", image, **due)
