"""How the system is called: HTTP, queues and streams. With app.py the only place that imports chalice.

`edge.openapi` loads its module when first used, as `usecases` do.
"""

from typing import TYPE_CHECKING

VERSION = "0.1.0"
"""Of the application; pyproject.toml and the API's description take it from here."""

if TYPE_CHECKING:
    from chalicelib.edge import announcements as announcements
    from chalicelib.edge import authorizer as authorizer
    from chalicelib.edge import docs_page as docs_page
    from chalicelib.edge import idempotency as idempotency
    from chalicelib.edge import import_files as import_files
    from chalicelib.edge import messages as messages
    from chalicelib.edge import openapi as openapi
    from chalicelib.edge import schedules as schedules
    from chalicelib.edge import steps as steps
    from chalicelib.edge import stream_records as stream_records
    from chalicelib.edge import uploads as uploads
else:
    from importlib import import_module

    def __getattr__(name):
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError:
            raise AttributeError(f"nothing calls the system by way of {name}") from None
