"""python -m benchmarks: all of them, one after the other."""

from benchmarks import cold_start, costs, pdf_libraries, warm


def main() -> None:
    costs.main()
    with cold_start.packaged() as function:
        print()
        cold_start.main(["--function", str(function)])
        print()
        warm.main(["--function", str(function)])
    print()
    pdf_libraries.main()


if __name__ == "__main__":
    main()
