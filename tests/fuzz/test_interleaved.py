"""A quick part of the tenants' turns in `make fuzz`, and whether a word of the other's would be noticed."""

from typing import Any

import pytest

from chalicelib.usecases import accounts, clients
from tests.fuzz import interleaved

SEED = 1


def test_two_tenants_in_one_process_never_see_a_word_of_each_other() -> None:
    found = interleaved.run(1_000, SEED)

    assert found.faults == []
    assert found.calls == 1_000
    assert found.words_seen > 300
    assert {200, 201, 302, 404, 409, 422} <= found.statuses.keys()


def test_an_account_that_is_kept_for_the_next_caller_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    whole = accounts.get_account

    def forgetful(*given: Any, **named: Any) -> Any:
        kept.append(whole(*given, **named))
        return kept[0]

    monkeypatch.setattr(accounts, "get_account", forgetful)

    assert any("was shown" in fault for fault in interleaved.run(500, SEED).faults)


def test_a_client_that_is_found_for_anybody_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[Any] = []
    whole = clients.add_client

    def add(*given: Any, **named: Any) -> Any:
        added.append(whole(*given, **named))
        return added[-1]

    monkeypatch.setattr(clients, "add_client", add)
    monkeypatch.setattr(clients, "get_client", lambda *_, **__: added[-1])

    assert any("was shown" in fault for fault in interleaved.run(1_000, SEED).faults)
