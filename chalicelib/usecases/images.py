"""Images."""

from chalicelib.domain.files import Upload


def make_thumbnails(upload: Upload, *, desk: object) -> None:
    """Makes the thumbnails of what lies under the upload's key now."""
