"""Kinds of things, by the names that they have as items, in events and in search."""

from typing import Literal

ItemType = Literal["account", "user", "client", "work", "invoice", "credit_note", "product", "order", "image", "import"]
"""Of which changes are told, to the outside or to the deliveries."""
SearchType = Literal["client", "work", "invoice", "product", "order"]
"""What can be searched for."""
