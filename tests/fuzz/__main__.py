"""`make fuzz`: all of what `make test` does a part of. Exits with 1 if anything is not as it should be."""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

os.environ.setdefault("DAYBOOK_STAGE", "test")

from tests.fuzz import interleaved
from tests.fuzz.campaign import BLOCK, Findings, run_blocks

SHOWN_FAULTS = 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description="Send what nobody would send, and check every answer.")
    parser.add_argument("--requests", type=int, default=200_000, help="how many spoiled requests (200000)")
    parser.add_argument("--calls", type=int, default=10_000, help="how many calls of two tenants in turns (10000)")
    parser.add_argument("--described", type=int, default=5_000, help="how many cases made from the API's description (5000)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="what all of them follow from (the time)")
    parser.add_argument("--block", type=int, help="only this block of the spoiled requests, as a fault names it")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once (2)")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    if arguments.block is not None:
        sys.exit(not spoiled_is_right(run_blocks(arguments.seed, [arguments.block]), 0))
    right = [
        spoil(arguments.requests, arguments.seed, arguments.jobs),
        take_turns(arguments.calls, arguments.seed),
        follow_description(arguments.described),
    ]
    sys.exit(not all(right))


def spoil(requests: int, seed: int, jobs: int) -> bool:
    blocks = range(-(-requests // BLOCK))
    began = time.perf_counter()
    found = Findings()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for part in pool.map(partial(run_blocks, seed), [[block] for block in blocks], chunksize=8):
            found.add(part)
    return spoiled_is_right(found, time.perf_counter() - began)


def spoiled_is_right(found: Findings, seconds: float) -> bool:
    print(
        f"{found.requests} spoiled requests in {seconds:.0f} s, the slowest answered in {found.slowest_seconds * 1000:.0f} ms;"
    )
    print(f"the application alone answered {found.requests / found.busy_seconds:.0f} a second of one core")
    for status, count in sorted(found.statuses.items()):
        print(f"  {status} {count:8}")
    for code, count in found.codes.most_common():
        print(f"    {code:24} {count:8}")
    print(f"  {len(found.faults)} faults")
    for fault in found.faults[:SHOWN_FAULTS]:
        print(f"  {fault}")
    return not found.faults


def take_turns(calls: int, seed: int) -> bool:
    began = time.perf_counter()
    found = interleaved.run(calls, seed)
    seconds = time.perf_counter() - began
    print(f"{found.calls} calls of two tenants in turns in {seconds:.0f} s: {len(found.faults)} times a word of the other's")
    print(f"  their own words stood in {found.words_seen} answers; by status: {dict(sorted(found.statuses.items()))}")
    for fault in found.faults[:SHOWN_FAULTS]:
        print(f"  {fault}")
    return not found.faults


def follow_description(cases: int) -> bool:
    """Schemathesis, where the application describes itself."""
    from tests.fuzz import described

    return described.run(cases)


if __name__ == "__main__":
    main()
