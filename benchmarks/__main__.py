"""python -m benchmarks: all of them, one after the other."""

from importlib.util import find_spec

from benchmarks import catalogue, cold_start, costs, feed, pdf_libraries, search, warm


def main() -> None:
    costs.main()
    print()
    catalogue.main([])
    print()
    feed.main([])
    print()
    search.main([])
    with cold_start.packaged() as function:
        print()
        cold_start.main(["--function", str(function)])
        print()
        warm.main(
            ["--function", str(function)]
        )  # from here on, this process asks no AWS: its botocore is answered before the wire
    print()
    if find_spec("fpdf"):
        pdf_libraries.main()
    else:
        print("benchmarks.pdf_libraries needs fpdf2==2.8.9, which nothing else does: it was left out.")


if __name__ == "__main__":
    main()
