import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.errors import Contended, EmailTaken, IdempotencyInProgress
from chalicelib.domain.idempotency import CLAIM, KEPT_FOR, Keeping, KeptAnswer
from chalicelib.domain.paging import PageRequest
from chalicelib.repositories import keys
from tests.builders import NOW, a_client, a_user, an_account
from tests.contract.stores import DynamoStore, Store, opened

_ALL = PageRequest(limit=100)
_KEY = keys.keyed_request("a1")
ANSWER = KeptAnswer(status=201, headers={"Location": "clients/cli_1"}, body='{"name":"Müller €"}')


def a_keeping(claim: str = "first", at: timedelta = timedelta(0)) -> Keeping:
    now = NOW + at
    return Keeping(id="a1", fingerprint="f1", claim=claim, claimed_until=now + CLAIM, kept_until=now + KEPT_FOR)


def begun(store: Store, keeping: Keeping | None = None) -> Keeping:
    keeping = keeping or a_keeping()
    store.keyed_requests.begin(keeping, None)
    return keeping


def test_nothing_is_kept_of_a_request_that_never_came(store: Store) -> None:
    assert store.keyed_requests.find("a1") is None


def test_a_claim_comes_back_as_it_was_made(store: Store) -> None:
    keeping = begun(store)

    assert store.keyed_requests.find("a1") == keeping


def test_a_request_is_claimed_once(store: Store) -> None:
    begun(store)

    with pytest.raises(Contended):
        store.keyed_requests.begin(a_keeping("second"), None)

    kept = store.keyed_requests.find("a1")
    assert kept is not None
    assert kept.claim == "first"


def test_of_many_who_claim_at_once_one_has_it(store: Store) -> None:
    def claim(number: int) -> bool:
        try:
            store.keyed_requests.begin(a_keeping(f"claim-{number}"), None)
        except Contended:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(20))) == 1


def test_a_claim_that_has_run_out_can_be_taken_over_once(store: Store) -> None:
    first = begun(store)
    later = a_keeping("second", CLAIM)
    store.keyed_requests.begin(later, first)

    with pytest.raises(Contended):
        store.keyed_requests.begin(a_keeping("third", CLAIM), first)

    assert store.keyed_requests.find("a1") == later


def test_the_effect_is_noted_with_what_it_adds(store: Store) -> None:
    keeping = begun(store)

    with store.keyed_requests.effect(keeping):
        store.clients.add(a_client())

    assert store.clients.get("acc_1", "cli_1") == a_client()
    assert store.keyed_requests.find("a1") == replace(keeping, made={"client": "cli_1"})


def test_what_opens_an_account_is_found_again(store: Store) -> None:
    keeping = begun(store)

    with store.keyed_requests.effect(keeping):
        store.accounts.add(an_account(), a_user())

    kept = store.keyed_requests.find("a1")
    assert kept is not None
    assert kept.made == {"account": "acc_1", "user": "usr_1"}


def test_a_second_effect_is_refused_whole(store: Store) -> None:
    keeping = begun(store)
    with store.keyed_requests.effect(keeping):
        store.clients.add(a_client())

    with pytest.raises(IdempotencyInProgress), store.keyed_requests.effect(keeping):
        store.clients.add(a_client(id="cli_2"))

    assert [client.id for client in store.clients.page("acc_1", _ALL).items] == ["cli_1"]


def test_an_effect_under_a_claim_that_was_taken_over_is_refused_whole(store: Store) -> None:
    first = begun(store)
    store.keyed_requests.begin(a_keeping("second", CLAIM), first)

    with pytest.raises(IdempotencyInProgress), store.keyed_requests.effect(first):
        store.clients.add(a_client())

    assert store.clients.page("acc_1", _ALL).items == ()


def test_a_claim_that_took_effect_cannot_be_taken_over(store: Store) -> None:
    first = begun(store)
    with store.keyed_requests.effect(first):
        store.clients.add(a_client())

    with pytest.raises(Contended):
        store.keyed_requests.begin(a_keeping("second", CLAIM), first)


def test_what_is_refused_is_no_effect(store: Store) -> None:
    opened(store)
    keeping = begun(store)

    with store.keyed_requests.effect(keeping):
        with pytest.raises(EmailTaken):
            store.accounts.add(replace(an_account(), id="acc_2"), a_user(account_id="acc_2"))
        store.clients.add(a_client())

    kept = store.keyed_requests.find("a1")
    assert kept is not None
    assert kept.made == {"client": "cli_1"}


def test_only_the_first_commit_is_the_effect(store: Store) -> None:
    keeping = begun(store)

    with store.keyed_requests.effect(keeping):
        store.clients.add(a_client())
        store.clients.add(a_client(id="cli_2"))
    store.clients.add(a_client(id="cli_3"))

    kept = store.keyed_requests.find("a1")
    assert kept is not None
    assert kept.made == {"client": "cli_1"}


def test_an_answer_comes_back_to_the_byte(store: Store) -> None:
    keeping = begun(store)

    assert store.keyed_requests.keep(keeping, ANSWER) == ANSWER

    assert store.keyed_requests.find("a1") == replace(keeping, answer=ANSWER)


def test_the_first_answer_stays(store: Store) -> None:
    keeping = begun(store)
    store.keyed_requests.keep(keeping, ANSWER)

    assert store.keyed_requests.keep(keeping, replace(ANSWER, body="{}")) == ANSWER
    assert store.keyed_requests.find("a1") == replace(keeping, answer=ANSWER)


def test_the_answer_of_a_claim_that_was_taken_over_is_not_kept(store: Store) -> None:
    first = begun(store)
    second = a_keeping("second", CLAIM)
    store.keyed_requests.begin(second, first)

    with pytest.raises(Contended):
        store.keyed_requests.keep(first, ANSWER)

    assert store.keyed_requests.find("a1") == second


def test_a_request_without_effect_is_forgotten(store: Store) -> None:
    keeping = begun(store)

    store.keyed_requests.give_up(keeping)
    store.keyed_requests.give_up(keeping)

    assert store.keyed_requests.find("a1") is None


def test_a_request_that_took_effect_is_not_forgotten(store: Store) -> None:
    keeping = begun(store)
    with store.keyed_requests.effect(keeping):
        store.clients.add(a_client())

    store.keyed_requests.give_up(keeping)

    assert store.keyed_requests.find("a1") == replace(keeping, made={"client": "cli_1"})


def test_a_claim_of_another_is_not_forgotten(store: Store) -> None:
    first = begun(store)
    second = a_keeping("second", CLAIM)
    store.keyed_requests.begin(second, first)

    store.keyed_requests.give_up(first)

    assert store.keyed_requests.find("a1") == second


def test_an_answer_of_two_thousand_lines_is_kept(store: Store) -> None:
    line = '{"entry_id":"wrk_01J%s","description":"Engine","duration_seconds":3600,"amount":95.00}'
    long = replace(ANSWER, body=f"[{','.join(line % str(number * 7919).zfill(23) for number in range(2_000))}]")
    keeping = begun(store)

    store.keyed_requests.keep(keeping, long)

    kept = store.keyed_requests.find("a1")
    assert kept is not None
    assert kept.answer == long


def test_an_answer_that_no_item_takes_is_left_out(dynamo_store: DynamoStore) -> None:
    noise = "".join(random.Random(1).choices("0123456789abcdef", k=1_000_000))  # noqa: S311  no secret
    keeping = begun(dynamo_store)

    dynamo_store.keyed_requests.keep(keeping, replace(ANSWER, body=noise))

    assert dynamo_store.keyed_requests.find("a1") == keeping


def test_dynamodb_forgets_it_by_itself_after_a_day(dynamo_store: DynamoStore) -> None:
    begun(dynamo_store)

    item = dynamo_store.keyed_requests._table.get(_KEY)

    assert item is not None
    assert item["expires_at"] == int((NOW + KEPT_FOR).timestamp())
