"""botocore clients that reach nothing: those of moto, and those whose answers the test writes itself."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.session import get_session
from botocore.stub import Stubber
from moto import mock_aws


def make_client(service: str, **settings: Any) -> Any:
    return get_session().create_client(
        service, region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test", **settings
    )


@pytest.fixture
def aws() -> Iterator[Callable[..., Any]]:
    """Makes clients of an AWS in this process, empty at first."""
    with mock_aws():
        yield make_client


@pytest.fixture
def scripted() -> Iterator[Callable[[str], tuple[Any, Stubber]]]:
    """Makes clients that answer as told, and only that; at the end everything must have been asked for."""
    stubbers: list[Stubber] = []

    def make(service: str) -> tuple[Any, Stubber]:
        client = make_client(service)
        stubbers.append(Stubber(client))
        stubbers[-1].activate()
        return client, stubbers[-1]

    yield make
    for stubber in stubbers:
        stubber.assert_no_pending_responses()
