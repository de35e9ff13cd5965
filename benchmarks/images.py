"""Four thumbnails of a 12-megapixel JPEG: as Daybook makes them against Pillow's plainest calls, side by side.

    python -m benchmarks.images

Plain is `Image.open(...).resize(..., LANCZOS)` for each size, saved as Daybook saves. Each measurement runs in a process of its
own; the two take turns, and what is printed is the median. Seconds are those of the processor; memory is the most that the
process ever had (VmHWM, so on Linux only), less what it had once its libraries were loaded.
"""

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from operations.project import ROOT

if TYPE_CHECKING:
    from chalicelib.domain.images import ThumbnailSize

WIDTH, HEIGHT = 4032, 3024
ROUNDS = 5
IMAGES_IN_A_ROUND = 5
Measured = dict[str, float]


def a_photo(width: int, height: int, *, progressive: bool) -> bytes:
    """Smooth shapes and grain, which compress about as photos do: some 3 bits a pixel."""
    from PIL import Image

    grain = [Image.effect_noise((width // 2, height // 2), 40).resize((width, height)) for _ in range(3)]
    slope = Image.linear_gradient("L").resize((width, height))
    picture = Image.merge(
        "RGB", [Image.blend(slope.rotate(90 * turn, expand=False), one, 0.4) for turn, one in enumerate(grain)]
    )
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90, progressive=progressive)
    return file.getvalue()


def by_daybook(content: bytes) -> int:
    from chalicelib.domain.images import Drawn
    from chalicelib.gateways.thumbnailer import PillowThumbnailer

    drawn = PillowThumbnailer().draw(content, "image/jpeg")
    if not isinstance(drawn, Drawn):
        raise TypeError(drawn)
    return sum(len(one.content) for one in drawn.thumbnails)


def plainly(content: bytes) -> int:
    from PIL import Image

    from chalicelib.domain.images import SIZES

    return sum(_plain(Image.open(io.BytesIO(content)), size) for size in SIZES)


def plainly_opened_once(content: bytes) -> int:
    from PIL import Image

    from chalicelib.domain.images import SIZES

    image = Image.open(io.BytesIO(content))
    return sum(_plain(image, size) for size in SIZES)


def _plain(image: Any, size: "ThumbnailSize") -> int:
    from PIL import Image

    cut, file = size.cut(*image.size), io.BytesIO()
    thumbnail = image.resize((cut.width, cut.height), Image.Resampling.LANCZOS, cut[:4])
    thumbnail.save(file, "JPEG", quality=85, progressive=True, optimize=True)
    return len(file.getvalue())


WAYS: dict[str, Callable[[bytes], int]] = {
    "daybook": by_daybook,
    "plain, opened once": plainly_opened_once,
    "plain, opened for each": plainly,
}


def most_memory() -> float:
    """MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def measure(way: str, photo: Path, images: int) -> Measured:
    content = photo.read_bytes()
    WAYS[way](a_photo(64, 64, progressive=False))  # whatever is loaded and made once
    before = most_memory()
    began = time.process_time()
    for _ in range(images):
        WAYS[way](content)
    return {"images_a_second": images / (time.process_time() - began), "memory": most_memory() - before}


def in_own_process(way: str, photo: Path, images: int) -> Measured:
    command = [sys.executable, "-m", "benchmarks.images", "--measure", way, "--photo", str(photo), "--images", str(images)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    measured: Measured = json.loads(done.stdout)
    return measured


def compare(width: int, height: int, rounds: int, images: int) -> None:
    for progressive in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            photo = Path(folder, "photo.jpg")
            photo.write_bytes(a_photo(width, height, progressive=progressive))
            kind = "progressive" if progressive else "baseline"
            print(f"{kind} JPEG, {width} x {height}, {photo.stat().st_size / 2**20:.1f} MiB; four thumbnails of each")
            runs = [{way: in_own_process(way, photo, images) for way in WAYS} for _ in range(rounds)]
        medians = {way: {what: statistics.median(run[way][what] for run in runs) for what in runs[0][way]} for way in WAYS}
        ours = medians["daybook"]
        for way, measured in medians.items():
            print(
                f"  {way:24}{measured['images_a_second']:8.1f} images a CPU second"
                f"{ours['images_a_second'] / measured['images_a_second']:7.1f}x"
                f"{measured['memory']:8.0f} MiB{measured['memory'] / max(ours['memory'], 1):7.1f}x"
            )


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--measure", choices=list(WAYS))
    options.add_argument("--photo", type=Path)
    options.add_argument("--width", type=int, default=WIDTH)
    options.add_argument("--height", type=int, default=HEIGHT)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--images", type=int, default=IMAGES_IN_A_ROUND)
    asked = options.parse_args()
    if asked.measure is None:
        compare(asked.width, asked.height, asked.rounds, asked.images)
    else:
        print(json.dumps(measure(asked.measure, asked.photo, asked.images)))


if __name__ == "__main__":
    main()
