"""Files that people put into the store themselves, and what is kept of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A hint that something was put under that key, for the image or the import that the key names."""

    account_id: str
    file_id: str
    key: str
