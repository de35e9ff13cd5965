"""python -m benchmarks: all of them, one after the other, each in a process of its own, so that none spoils another."""

import subprocess
import sys
from importlib.util import find_spec

from benchmarks.cold_start import packaged


def run(name: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=True)
    print(flush=True)


def main() -> None:
    for name in ("costs", "catalogue", "orders", "imports", "feed"):
        run(name)
    with packaged() as function:
        run("cold_start", "--function", str(function))
        run("warm", "--function", str(function))
    run("search")
    run("images")
    run("costly_images")
    run("hostile_files")
    if find_spec("fpdf"):
        run("pdf_libraries")
    else:
        print("benchmarks.pdf_libraries needs fpdf2==2.8.9, which nothing else does: it was left out.")


if __name__ == "__main__":
    main()
