"""What the most expensive images that are taken cost: each in a process of its own, as in a function's first invocation.

    python -m benchmarks.costly_images

Seconds are those of the processor. Memory is the most that the process ever had, its libraries too: VmHWM, so on Linux only;
`getrusage` begins with what the process had that started it.
"""

import io
import random
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from struct import pack
from typing import TYPE_CHECKING, Any, NamedTuple

from operations.project import ROOT

if TYPE_CHECKING:
    from PIL.Image import Image

_GREY = (120, 110, 100)
_MEASURE = """
import sys, time
from pathlib import Path
from chalicelib.gateways.thumbnailer import PillowThumbnailer
content = Path(sys.argv[1]).read_bytes()
began = time.process_time()
made = PillowThumbnailer().draw(content, sys.argv[2])
lines = Path("/proc/self/status").read_text().splitlines()
(most,) = (int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
print(most // 1024, time.process_time() - began, int(isinstance(made, str)))
"""


class Cost(NamedTuple):
    memory: int
    """MiB."""
    seconds: float
    rejected: bool


def cost_of(content: bytes, content_type: str) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "image")
        file.write_bytes(content)
        command = [sys.executable, "-c", _MEASURE, str(file), content_type]
        memory, seconds, rejected = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.split()
    return Cost(int(memory), float(seconds), rejected == "1")


def bomb() -> bytes:
    """A PNG of 86 KB that says that it has 88 megapixels, and has them."""
    rows = zlib.compressobj(9)
    pixels = b"".join([rows.compress(bytes(1 + 11_000)) for _ in range(8_000)]) + rows.flush()
    chunks = [(b"IHDR", pack(">IIBBBBB", 11_000, 8_000, 8, 0, 0, 0, 0)), (b"IDAT", pixels), (b"IEND", b"")]
    packed = [pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data)) for kind, data in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def _noise(width: int, height: int) -> "Image":
    from PIL import Image

    return Image.frombytes("RGB", (width, height), random.Random(1).randbytes(width * height * 3))  # noqa: S311  no secret


def _plain(mode: str, width: int, height: int) -> "Image":
    from PIL import Image

    return Image.new(mode, (width, height), _GREY)


def _saved(picture: "Image", kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


_PROGRESSIVE: dict[str, Any] = {"progressive": True, "subsampling": 0}
COSTLY: dict[str, tuple[str, Callable[[], bytes]]] = {
    "20 MiB of a PNG": ("image/png", lambda: _saved(_noise(2600, 2600), "PNG", compress_level=1)),
    "17 MiB of a progressive JPEG": ("image/jpeg", lambda: _saved(_noise(6000, 3500), "JPEG", quality=60, **_PROGRESSIVE)),
    "a JPEG of 50 megapixels": ("image/jpeg", lambda: _saved(_plain("RGB", 8192, 6100), "JPEG")),
    "a progressive JPEG of 50 megapixels": ("image/jpeg", lambda: _saved(_plain("RGB", 8192, 6100), "JPEG", **_PROGRESSIVE)),
    "a PNG of 50 megapixels": ("image/png", lambda: _saved(_plain("RGBA", 8192, 6100), "PNG", compress_level=1)),
    "a narrow PNG of 40 megapixels": ("image/png", lambda: _saved(_plain("RGBA", 1400, 29_000), "PNG", compress_level=1)),
    "a WebP of 20 megapixels": ("image/webp", lambda: _saved(_plain("RGB", 5000, 4000), "WEBP", method=0)),
}


def main() -> None:
    for name, (content_type, make) in COSTLY.items():
        cost = cost_of(make(), content_type)
        print(f"{name:40}{cost.seconds:6.2f} s{cost.memory:6} MiB")


if __name__ == "__main__":
    main()
