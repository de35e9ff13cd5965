"""A mail server that sends nothing on: each message becomes an .eml file, as it came, in one folder."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

LOOPBACK = "127.0.0.1"


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        taken = [int(path.stem) for path in folder.glob("*.eml") if path.stem.isdigit()]
        self._numbers = itertools.count(max(taken, default=0) + 1)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (its name)
        assert isinstance(envelope.content, bytes)
        path = self._folder / f"{next(self._numbers):06}.eml"
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(envelope.content)
        unfinished.rename(path)  # whoever watches the folder sees whole messages only
        return "250 kept"


@contextmanager
def keeping_mail(folder: Path) -> Iterator[int]:
    """The port on the loopback interface where mail is taken."""
    folder.mkdir(parents=True, exist_ok=True)
    keeper = _Folder(folder)
    loop = asyncio.new_event_loop()
    # Mail of any size: SES takes up to 40 MB.
    server = loop.run_until_complete(
        loop.create_server(lambda: SMTP(keeper, data_size_limit=None, loop=loop, enable_SMTPUTF8=True), LOOPBACK, 0)
    )
    thread = threading.Thread(target=loop.run_forever, name="mail-sink", daemon=True)
    thread.start()
    port: int = server.sockets[0].getsockname()[1]
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
