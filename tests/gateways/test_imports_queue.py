import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import Stubber

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.imports import ImportJob
from chalicelib.gateways.imports_queue import SqsImportsQueue

NAME = "daybook-test-imports.fifo"
JOB = ImportJob(account_id="acc_1", import_id="imp_1")


@pytest.fixture
def sqs(aws: Callable[..., Any]) -> Any:
    client = aws("sqs")
    client.create_queue(QueueName=NAME, Attributes={"FifoQueue": "true"})
    return client


def received(sqs: Any) -> list[dict[str, Any]]:
    url = sqs.get_queue_url(QueueName=NAME)["QueueUrl"]
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


def test_a_job_is_asked_for_in_the_turn_of_its_account(sqs: Any) -> None:
    SqsImportsQueue(sqs, NAME).ask_for(JOB, "incoming/acc_1/imp_1/ä.csv\netag\n0")

    (message,) = received(sqs)
    assert json.loads(message["Body"]) == {"account_id": "acc_1", "import_id": "imp_1"}
    assert message["Attributes"]["MessageGroupId"] == "acc_1"


def test_one_place_is_asked_for_once_and_another_again(sqs: Any) -> None:
    queue = SqsImportsQueue(sqs, NAME)
    for place in ("a", "a", "b", "a"):
        queue.ask_for(JOB, place)

    url = sqs.get_queue_url(QueueName=NAME)["QueueUrl"]
    counted = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    assert counted["Attributes"]["ApproximateNumberOfMessages"] == "2"


def test_a_queue_that_does_not_answer_is_unavailable(scripted: Callable[[str], tuple[Any, Stubber]]) -> None:
    client, script = scripted("sqs")
    script.add_client_error("get_queue_url", "ServiceUnavailable", http_status_code=503)

    with script, pytest.raises(Unavailable):
        SqsImportsQueue(client, NAME).ask_for(JOB, "a")
