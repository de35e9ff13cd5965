import pytest

from tests.http.api import Api
from tests.wired import MemoryWired


@pytest.fixture
def visitor(wired: MemoryWired) -> Api:
    """Somebody without a token."""
    return Api()


@pytest.fixture
def api(visitor: Api) -> Api:
    """The owner of an account in Vienna that reckons in euros."""
    return visitor.signed_up()
