"""The local AWS: MiniStack on the loopback interface, with a mail sink behind its SES.

python -m operations.local_aws run      in the foreground, until Ctrl-C
python -m operations.local_aws start    in the background
python -m operations.local_aws stop     the one that was started
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import boto3
import botocore.session

from operations.mail_sink import LOOPBACK, keeping_mail
from operations.project import BUILD, ROOT, stage_environment

SERVER: Final = Path(__file__).absolute().with_name("ministack_truer.py")
STARTUP_SECONDS: Final = 60
SHUTDOWN_SECONDS: Final = 30
PID_FILE: Final = BUILD / "local-aws.pid"
LOG_FILE: Final = BUILD / "local-aws.log"
# What the server needs of its surroundings. Its functions inherit all it has, and on AWS they would have none of ours.
INHERITED: Final = ("PATH", "HOME", "LANG", "TZ")


class LocalAwsFailed(Exception):
    """What went wrong, in words for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class LocalAws:
    endpoint: str
    region: str
    account: str
    mail: Path
    log: Path
    pid: int

    @property
    def environment(self) -> dict[str, str]:
        """What points boto3 and Chalice at it."""
        aws = {name: value for name, value in stage_environment("local").items() if name.startswith("AWS_")}
        return aws | {"AWS_ENDPOINT_URL": self.endpoint}

    def session(self) -> botocore.session.Session:
        session = botocore.session.Session()
        root = stage_environment("local")
        session.set_credentials(root["AWS_ACCESS_KEY_ID"], root["AWS_SECRET_ACCESS_KEY"])
        session.set_config_variable("region", self.region)
        return session


def server_python() -> Path:
    """The Python of MiniStack's own environment: $LOCAL_AWS_PYTHON, or the one that `make` sets up."""
    python = Path(os.environ.get("LOCAL_AWS_PYTHON", ROOT / ".venv-aws" / "bin" / "python"))
    if not python.exists():
        raise LocalAwsFailed(f"The local AWS is not installed: there is no {python}. `make setup` installs it.")
    return python


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as problem:
            raise LocalAwsFailed(
                f"Port {port} of {LOOPBACK} cannot be used ({problem.strerror}). Stop what runs there, or choose another port."
            ) from problem


@contextmanager
def running(
    *,
    port: int | None = None,
    data: Path | None = None,
    mail: Path | None = None,
    log: Path | None = None,
    enforce_policies: bool = False,
    workflow_pauses: float = 1.0,
) -> Iterator[LocalAws]:
    """A local AWS for as long as the block runs.

    port: any free one if left out. data: where it keeps what it holds from run to run; nothing is kept if left out.
    enforce_policies: each call needs a policy that allows it, as on AWS.
    workflow_pauses: how long a workflow waits before it tries again, by the time that it should.
    Raises: LocalAwsFailed.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="daybook-local-aws-")))
        chosen = port if port is not None else free_port()
        require_free(chosen)
        mail_folder = mail or scratch / "mail"
        mail_port = stack.enter_context(keeping_mail(mail_folder))
        log_file = log or scratch / "ministack.log"
        log_file.parent.mkdir(parents=True, exist_ok=True)
        local = stage_environment("local")
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ} | {
            "GATEWAY_PORT": str(chosen),
            "BIND_HOST": LOOPBACK,
            "MINISTACK_HOST": LOOPBACK,
            "MINISTACK_REGION": local["AWS_DEFAULT_REGION"],
            "IOT_MTLS_ENABLED": "0",
            "SMTP_HOST": f"{LOOPBACK}:{mail_port}",
            "LOG_LEVEL": "WARNING",
            "AUTH": str(enforce_policies).lower(),
            "SFN_WAIT_SCALE": str(workflow_pauses),
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(scratch),
            **storage(data, scratch),
        }
        output = stack.enter_context(log_file.open("ab"))
        server = subprocess.Popen(
            [server_python(), SERVER], env=environment, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT
        )
        stack.callback(stop_server, server)
        aws = LocalAws(
            endpoint=f"http://{LOOPBACK}:{chosen}",
            region=local["AWS_DEFAULT_REGION"],
            account="0" * 12,
            mail=mail_folder,
            log=log_file,
            pid=server.pid,
        )
        wait_until_ready(aws, server)
        verify_sender(aws, local["DAYBOOK_MAIL_SENDER"])
        yield aws


def storage(data: Path | None, scratch: Path) -> dict[str, str]:
    kept = data or scratch
    folders = {"STATE_DIR": kept / "state", "S3_DATA_DIR": kept / "objects"}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    keeps = str(int(data is not None))
    return {"PERSIST_STATE": keeps, "S3_PERSIST": keeps} | {name: str(folder.absolute()) for name, folder in folders.items()}


def wait_until_ready(aws: LocalAws, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{aws.endpoint}/_ministack/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    said = aws.log.read_text(errors="replace")[-2000:]
    raise LocalAwsFailed(f"The local AWS did not start; {aws.log} ends:\n{said}")


def verify_sender(aws: LocalAws, address: str) -> None:
    """What the owner of the address does once in SES, on AWS by answering its mail."""
    ses = boto3.Session(botocore_session=aws.session()).client("ses", endpoint_url=aws.endpoint)
    ses.verify_email_identity(EmailAddress=address)


def stop_server(server: subprocess.Popen[bytes]) -> None:
    """SIGTERM lets it write what it keeps."""
    server.terminate()
    try:
        server.wait(SHUTDOWN_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    if server.stdin is not None:
        server.stdin.close()


# The command line


def run(port: int, data: Path) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with running(port=port, data=data, mail=data / "mail", log=data / "local-aws.log") as aws:
        print(f"The local AWS answers at {aws.endpoint}; mail is kept in {aws.mail}, its log is {aws.log}.", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("Stopping.")


def start(port: int, data: Path) -> None:
    if running_pid() is not None:
        raise LocalAwsFailed(f"One was started already (process {running_pid()}); `stop` ends it.")
    require_free(port)
    server_python()
    BUILD.mkdir(exist_ok=True)
    with LOG_FILE.open("wb") as log:
        command = [sys.executable, "-m", "operations.local_aws", "run", "--port", str(port), "--data", str(data)]
        child = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    PID_FILE.write_text(str(child.pid))
    deadline = time.monotonic() + STARTUP_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        said = LOG_FILE.read_text()
        if said:
            print(said, end="")
            return
        time.sleep(0.05)
    PID_FILE.unlink()
    raise LocalAwsFailed(f"The local AWS did not start:\n{LOG_FILE.read_text()}")


def stop() -> None:
    pid = running_pid()
    if pid is None:
        print("No local AWS was started.")
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + SHUTDOWN_SECONDS
    while running_pid() is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    PID_FILE.unlink(missing_ok=True)
    print("The local AWS has stopped.")


def running_pid() -> int | None:
    if not PID_FILE.exists():
        return None
    pid = int(PID_FILE.read_text())
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    return pid


def main() -> None:
    parser = argparse.ArgumentParser(prog="local_aws", description="Start or stop the local AWS.")
    parser.add_argument("command", choices=["run", "start", "stop"])
    parser.add_argument("--port", type=int, default=4566, help="port of the loopback interface (4566)")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="folder that it keeps what it holds in (data)")
    arguments = parser.parse_args()
    try:
        if arguments.command == "run":
            run(arguments.port, arguments.data)
        elif arguments.command == "start":
            start(arguments.port, arguments.data)
        else:
            stop()
    except LocalAwsFailed as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
