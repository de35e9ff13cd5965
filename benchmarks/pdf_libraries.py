"""fpdf2 against reportlab: the same invoice table, drawn with the same font through each library's plainest calls.

    python benchmarks/pdf_libraries.py

Each measurement runs in a process of its own; the two take turns, and what is printed is the median. Needs `fpdf2==2.8.9`
beside what the project installs.
"""

import io
import json
import resource
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from importlib.metadata import distribution, requires
from pathlib import Path
from re import match
from typing import Any

FONT = Path(__file__).parent.parent / "chalicelib" / "gateways" / "paper" / "fonts" / "NotoSans-Regular.ttf"
LINE_COUNTS = (20, 200, 2_000)
ROUNDS = 5
LINES_A_PAGE = 45
MILLIMETRE = 72 / 25.4
TEXTS = ("Fehlersuche im Export für Würth, Überarbeitung", "Ρυθμίσεις αναφοράς", "Отчёт за октябрь", "Code review — 3 €")


def rows(count: int) -> list[tuple[str, str, str, str]]:
    """Day, text, hours and amount."""
    return [
        (f"2024-10-{1 + n % 28:02d}", TEXTS[n % len(TEXTS)], f"{n % 9}:{n % 60:02d}:00", f"{n * 1.25:,.2f}")
        for n in range(count)
    ]


def with_fpdf2(count: int) -> bytes:
    from fpdf import FPDF

    pdf = FPDF()
    pdf.set_auto_page_break(False)
    pdf.add_font("Noto", "", FONT)
    for place, (day, text, hours, amount) in enumerate(rows(count)):
        if place % LINES_A_PAGE == 0:
            pdf.add_page()
            pdf.set_font("Noto", size=9)
        height = 20 + place % LINES_A_PAGE * 6
        pdf.text(20, height, day)
        pdf.text(45, height, text)
        pdf.text(150 - pdf.get_string_width(hours), height, hours)
        pdf.text(190 - pdf.get_string_width(amount), height, amount)
        pdf.line(20, height + 2, 190, height + 2)
    return bytes(pdf.output())


def with_reportlab(count: int) -> bytes:
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.pdfgen.canvas import Canvas

    registerFont(TTFont("Noto", FONT))
    written = io.BytesIO()
    canvas = Canvas(written, pagesize=(210 * MILLIMETRE, 297 * MILLIMETRE), pageCompression=1, invariant=1)
    for place, (day, text, hours, amount) in enumerate(rows(count)):
        if place % LINES_A_PAGE == 0:
            if place:
                canvas.showPage()
            canvas.setFont("Noto", 9)
        height = (277 - place % LINES_A_PAGE * 6) * MILLIMETRE
        canvas.drawString(20 * MILLIMETRE, height, day)
        canvas.drawString(45 * MILLIMETRE, height, text)
        canvas.drawRightString(150 * MILLIMETRE, height, hours)
        canvas.drawRightString(190 * MILLIMETRE, height, amount)
        canvas.line(20 * MILLIMETRE, height - 2 * MILLIMETRE, 190 * MILLIMETRE, height - 2 * MILLIMETRE)
    canvas.save()
    return written.getvalue()


LIBRARIES: dict[str, tuple[str, str, Callable[[int], bytes]]] = {
    "fpdf2": ("fpdf2", "fpdf", with_fpdf2),
    "reportlab": ("reportlab", "reportlab.pdfgen.canvas", with_reportlab),
}


def measure(library: str, count: int) -> dict[str, float]:
    """One cold process: what the first invoice costs, and what the next one does."""
    _, module, draw = LIBRARIES[library]
    started = time.perf_counter()
    __import__(module)
    imported = time.perf_counter()
    size = len(draw(count))
    first = time.perf_counter()
    draw(count)
    second = time.perf_counter()
    return {
        "import ms": (imported - started) * 1000,
        f"first invoice of {count} lines ms": (first - imported) * 1000,
        f"next invoice of {count} lines ms": (second - first) * 1000,
        f"peak memory with {count} lines MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        f"size with {count} lines KiB": size / 1024,
    }


def weight(name: str, seen: set[str]) -> dict[str, float]:
    """Zipped size of the distribution and of all that it pulls in, one figure each."""
    if name in seen:
        return {}
    seen.add(name)
    zipped = io.BytesIO()
    found = distribution(name)
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in found.files or ():
            path = Path(str(found.locate_file(file)))
            if path.is_file() and path.suffix != ".pyc":
                archive.write(path, str(file))
    weights = {name: len(zipped.getvalue()) / 1024 / 1024}
    for requirement in requires(name) or ():
        needed = match(r"[\w.-]+", requirement)
        if needed and "extra ==" not in requirement:
            weights |= weight(needed.group().lower(), seen)
    return weights


def main() -> None:
    found: dict[str, dict[str, list[float]]] = {library: {} for library in LIBRARIES}
    for _ in range(ROUNDS):
        for count in LINE_COUNTS:
            for library in LIBRARIES:
                command = [sys.executable, __file__, library, str(count)]
                answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                for name, figure in answer.items():
                    found[library].setdefault(name, []).append(figure)
    print(f"{'':44}{'fpdf2':>10}{'reportlab':>12}{'ratio':>8}")
    for name in found["fpdf2"]:
        ours, theirs = (statistics.median(found[library][name]) for library in ("fpdf2", "reportlab"))
        print(f"{name:44}{ours:10.1f}{theirs:12.1f}{ours / theirs:8.2f}")
    for library, (name, _, _) in LIBRARIES.items():
        weights = weight(name, set())
        parts = ", ".join(f"{part} {size:.1f}" for part, size in weights.items())
        print(f"{library}, zipped: {sum(weights.values()):.1f} MiB ({parts})")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
    else:
        main()
