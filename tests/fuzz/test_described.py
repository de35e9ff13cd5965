"""What the description allows and forbids is answered as it says: Schemathesis, all of its checks, in this process."""

import pytest

from tests.fuzz import described

pytestmark = pytest.mark.xdist_group("described")  # one process makes what all of them look at


@pytest.fixture(scope="module")
def report() -> described.Report:
    return described.attack(500)


def test_every_answer_is_as_described(report: described.Report) -> None:
    assert report.failures == []


def test_many_requests_were_sent(report: described.Report) -> None:
    assert report.cases >= 500
