"""python -m benchmarks: all of them, one after the other."""

from importlib.util import find_spec

from benchmarks import cold_start, costs, pdf_libraries, search, warm


def main() -> None:
    costs.main()
    with cold_start.packaged() as function:
        print()
        cold_start.main(["--function", str(function)])
        print()
        warm.main(["--function", str(function)])
    print()
    search.main([])
    print()
    if find_spec("fpdf"):
        pdf_libraries.main()
    else:
        print("benchmarks.pdf_libraries needs fpdf2==2.8.9, which nothing else does: it was left out.")


if __name__ == "__main__":
    main()
