"""Each in a process of its own: what is asked is what botocore's first import does."""

import subprocess
import sys

import pytest

LEFT_OUT = """
import sys
from chalicelib.gateways.unused_imports import leave_out
leave_out()
"""


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["botocore.docs.service", "botocore.docs.bcdoc.restdoc", "importlib.metadata"])
def test_what_nobody_calls_is_loaded_only_without_it(module: str) -> None:
    loaded = f"""
from chalicelib.gateways.aws_clients import AwsClients
AwsClients()
print({module!r} in sys.modules)
"""

    assert run(LEFT_OUT + loaded) == "False"
    assert run("import sys" + loaded) == "True", "botocore no longer imports it: it need not be left out"


def test_clients_their_pages_and_their_waiters_work_without_it() -> None:
    program = """
import os
os.environ |= {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
from chalicelib.gateways.aws_clients import AwsClients
clients = AwsClients()
for service in ("events", "s3", "secretsmanager", "ses", "sqs"):
    clients.client(service)
dynamodb = clients.client("dynamodb")
dynamodb.get_paginator("query"), dynamodb.get_waiter("table_exists")
print(repr(dynamodb.query.__doc__))
"""

    assert run(LEFT_OUT + program) == "''"


def test_boto3_works_in_the_same_process() -> None:
    program = """
import boto3
boto3.resource("dynamodb", "eu-central-1", aws_access_key_id="test", aws_secret_access_key="test").Table("any")
print("fine")
"""

    assert run(LEFT_OUT + program) == "fine"


def test_a_botocore_that_is_loaded_stays_as_it_is() -> None:
    program = """
import sys
import botocore.session
from chalicelib.gateways.unused_imports import leave_out
leave_out()
print("botocore.docs.service" in sys.modules)
"""

    assert run(program) == "True"
