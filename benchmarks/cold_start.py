"""What a cold start of the API function takes: bare Python, Chalice with a naive boto3 client, and Daybook as it is packaged.

    python -m benchmarks.cold_start [--starts 30]

Each start is a new process of AWS's own runtime interface client, timed from its start to its first answer to
`GET /v1/clients`. All but bare Python read the same 20 clients from the same stub. They take turns, and what is printed is
the median. The naive application is measured three times: as `chalice package` zips it, without compiled files, with the boto3
of Lambda's runtime, which is compiled; with a boto3 of its own, which is not; and with everything compiled.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from benchmarks import dynamodb_stub
from benchmarks.runtime_api import Life, Program, live
from benchmarks.things import PAGE, api_event
from operations.package import package

STARTS: Final = 30
TARGET: Final = 2 / 3
"""Of what the naive application takes beyond bare Python."""
RUNTIME: Final = ("awslambdaric", "simplejson", "snapshot-restore-py")
BOTO3: Final = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
CHALICE_FILES: Final = ("__init__.py", "app.py")
"""Of Chalice, what it packages."""

BARE: Final = """\
import json

def handle(event, context):
    return {"statusCode": 200, "headers": {}, "body": json.dumps({"clients": []})}
"""
NAIVE: Final = """\
import boto3
from chalice import Chalice

app = Chalice("naive")
dynamodb = boto3.client("dynamodb")

def shown(item):
    return {"id": item["id"]["S"], "name": item["name"]["S"]}

@app.route("/v1/clients")
def list_clients():
    account_id = app.current_request.context["authorizer"]["account_id"]
    found = dynamodb.query(
        TableName="daybook-naive",
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={":pk": {"S": account_id}, ":sk": {"S": "client#"}},
        Limit=20,
    )
    return {"clients": [shown(item) for item in found["Items"]]}

@app.route("/v1/clients/{client_id}")
def get_client(client_id):
    account_id = app.current_request.context["authorizer"]["account_id"]
    key = {"pk": {"S": account_id}, "sk": {"S": "client#" + client_id}}
    return shown(dynamodb.get_item(TableName="daybook-naive", Key=key)["Item"])
"""


@dataclass(frozen=True, slots=True)
class Programs:
    bare: Program
    naive: Program
    own_boto3: Program
    compiled: Program
    daybook: Program

    def __iter__(self) -> Iterator[Program]:
        return iter((self.bare, self.naive, self.own_boto3, self.compiled, self.daybook))


@contextmanager
def programs(function: Path, endpoint: str) -> Iterator[Programs]:
    """What is compared; ours is in the folder `function`. The folders of the others go with the block."""
    with tempfile.TemporaryDirectory(prefix="daybook-cold-start-") as temporary:
        root = Path(temporary)
        venv.create(root / "python", symlinks=True)
        runtime = install(root / "runtime", RUNTIME)
        boto3 = install(root / "boto3", BOTO3)
        bare = write(root / "bare", "function.py", BARE)
        naive, own_boto3, compiled = (write(root / name, "app.py", NAIVE) for name in ("naive", "own_boto3", "compiled"))
        for folder in (naive, own_boto3, compiled):
            copy_chalice(folder)
        install(own_boto3, BOTO3)
        for folder in (runtime, boto3, bare, compiled):
            compile_files(folder)

        def program(name: str, folder: Path, handler: str, *found: Path) -> Program:
            return Program(
                name=name,
                folder=folder,
                command=[str(root / "python" / "bin" / "python"), "-m", "awslambdaric", handler],
                environment=environment(folder, (runtime, *found), endpoint),
            )

        yield Programs(
            bare=program("bare Python", bare, "function.handle"),
            naive=program("naive Chalice", naive, "app.app", boto3),
            own_boto3=program("naive Chalice, boto3 in its zip", own_boto3, "app.app"),
            compiled=program("naive Chalice, all compiled", compiled, "app.app", boto3),
            daybook=program("Daybook", function, "app.app"),
        )


def environment(folder: Path, found: Sequence[Path], endpoint: str) -> Mapping[str, str]:
    """What Lambda sets, the function's own variables, and where the stub is."""
    return {
        "PATH": os.defpath,
        "LANG": "en_US.UTF-8",
        "PYTHONPATH": os.pathsep.join(map(str, found)),  # behind the folder that it is started in
        "PYTHONDONTWRITEBYTECODE": "1",  # as little as in a read-only /var/task
        "LAMBDA_TASK_ROOT": str(folder),
        "AWS_LAMBDA_FUNCTION_NAME": "measured",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "test",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "DAYBOOK_STAGE": "local",
        "DAYBOOK_BUCKET": "daybook-local-123456789012",
        "DAYBOOK_MAIL_SENDER": "invoices@daybook.example",
    }


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir()
    (folder / name).write_text(text)
    return folder


def install(folder: Path, names: Iterable[str]) -> Path:
    """Copies what is installed here, without its scripts."""
    for name in names:
        for file in distribution(name).files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), target)
    return folder


def copy_chalice(folder: Path) -> None:
    (folder / "chalice").mkdir()
    for name in CHALICE_FILES:
        shutil.copyfile(str(distribution("chalice").locate_file(f"chalice/{name}")), folder / "chalice" / name)


def compile_files(folder: Path) -> None:
    """As the package's are: what is compared is not whether there are compiled files."""
    command = [sys.executable, "-m", "compileall", "-qq", "--invalidation-mode", "unchecked-hash", str(folder)]
    subprocess.run(command, check=True)


@contextmanager
def packaged() -> Iterator[Path]:
    """The function's folder, unpacked from the zip that is deployed."""
    with tempfile.TemporaryDirectory(prefix="daybook-function-") as temporary:
        with zipfile.ZipFile(package("local", Path(temporary, "package")).zip) as zipped:
            zipped.extractall(Path(temporary, "function"))
        yield Path(temporary, "function")


def measure(function: Path, starts: int, *, before: int = 1) -> dict[str, list[Life]]:
    """By program, its starts; of each there is one before that, to have the files in the system's memory."""
    with dynamodb_stub.running() as endpoint, programs(function, endpoint) as compared:
        lives: dict[str, list[Life]] = {program.name: [] for program in compared}
        for number in range(before + starts):
            for program in compared:
                life = live(program, [api_event("/v1/clients")])
                answered = len(json.loads(life.answer["body"])["clients"])
                assert answered == (0 if program is compared.bare else PAGE), f"{program.name} answered {life.answer}"
                if number >= before:
                    lives[program.name].append(life)
        return lives


def table(lives: Mapping[str, Sequence[Life]]) -> str:
    """The first row is bare Python, the last Daybook; `ours` is how much of a row's time above the first the last takes."""
    walls = [statistics.median(life.first_answer_ms for life in found) for found in lives.values()]
    cpus = [statistics.median(life.cpu_ms for life in found) for found in lives.values()]
    memories = [statistics.median(life.peak_mib for life in found) for found in lives.values()]
    lines = [f"{'cold start':36}{'first answer':>14}{'ours':>6}{'CPU time':>14}{'ours':>6}{'peak memory':>14}"]
    for name, wall, cpu, memory in zip(lives, walls, cpus, memories, strict=True):
        lines.append(f"{name:36}{wall:11.1f} ms{_ours(wall, walls):>6}{cpu:11.1f} ms{_ours(cpu, cpus):>6}{memory:10.1f} MiB")
    lines.append(f"(ours: how much of that row's time above bare Python Daybook takes; the target is {TARGET:.2f})")
    return "\n".join(lines)


def _ours(row: float, rows: Sequence[float]) -> str:
    bare, *_, ours = rows
    return f"{(ours - bare) / (row - bare):.2f}" if row not in (bare, ours) else ""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start", description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=STARTS, help=f"of each program ({STARTS})")
    parser.add_argument("--function", type=Path, help="an unpacked package to measure instead of a new one")
    asked = parser.parse_args(arguments)
    if asked.function:
        print(table(measure(asked.function, asked.starts)))
        return
    with packaged() as function:
        print(table(measure(function, asked.starts)))


if __name__ == "__main__":
    main()
