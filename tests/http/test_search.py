"""Search, as somebody at the API meets it; the index itself is tested for itself."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.domain.search import StaleIndex
from chalicelib.usecases.search import reindex
from tests.http.api import Api, made, product_body
from tests.wired import MemoryWired


@pytest.fixture
def shop(api: Api, wired: MemoryWired) -> Api:
    """An account with two clients, an entry, an invoice and a few products, all of them indexed."""
    client_id = api.add_client(name="Café Zoë")
    api.add_client(name="<script>alert(1)</script> & Sons")
    api.log(client_id, "2026-11-02", description="Straße vermessen")
    api.issue(client_id, "2026-11-20")
    for number, name in (("85123A", "White hanging heart T-light holder"), ("22188", "Black heart card holder")):
        made(api.put(f"/v1/products/{number}", product_body(name=name)))
    reindex(StaleIndex(account_id=api.account_id), index=wired.search_index, searchable=wired.searchable)
    return api


def search(api: Api, typed: str, **more: str) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={quote(value)}" for name, value in {"q": typed, **more}.items())
    answer = api.get(f"/v1/search?{query}")
    assert answer.status == 200, answer.body
    results: list[dict[str, Any]] = answer.json["results"]
    return results


def test_a_result_says_what_it_is_and_where_the_hit_is(shop: Api) -> None:
    (result,) = search(shop, "hanging")

    assert result == {
        "type": "product",
        "id": "85123A",
        "title": "White hanging heart T-light holder",
        "snippet": "White <mark>hanging</mark> heart T-light holder",
        "score": result["score"],
    }
    assert result["score"] > 0


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("heart holder", ["22188", "85123A"]),
        ("HEART hol", ["22188", "85123A"]),
        ('"heart card"', ["22188"]),
        ('"heart holder"', []),
        ("22188", ["22188"]),
        ("heart lamp", []),
    ],
)
def test_all_that_is_typed_must_be_found(shop: Api, typed: str, found: list[str]) -> None:
    assert sorted(result["id"] for result in search(shop, typed)) == found


@pytest.mark.parametrize("typed", ["cafe zoe", "CAFÉ", "zoe caf", "Zoë"])
def test_accents_and_case_do_not_matter(shop: Api, typed: str) -> None:
    assert {result["type"] for result in search(shop, typed)} == {"client", "invoice"}
    assert [result["type"] for result in search(shop, typed, type="client")] == ["client"]


def test_letters_that_are_written_in_two_ways_are_one(shop: Api) -> None:
    assert [result["type"] for result in search(shop, "strasse")] == ["work"]


def test_no_more_is_shown_than_is_asked_for(shop: Api) -> None:
    assert len(search(shop, "heart", limit="1")) == 1


def test_what_somebody_called_a_client_is_no_html(shop: Api) -> None:
    (result,) = search(shop, "script")

    assert result["title"] == "<script>alert(1)</script> & Sons"
    assert result["snippet"] == "&lt;<mark>script</mark>&gt;alert(1)&lt;/<mark>script</mark>&gt; &amp; Sons"


@pytest.mark.parametrize(
    "typed",
    [
        "", " ", '"', '""', "*", "AND", "a AND", "NOT heart", "NEAR(heart holder)", "title:heart", "heart*", "^heart", "-heart",
        "heart + holder", "(", ")", "{a b}:c", "😀", "\u202eheart", "\x00heart\x01", "ﬀ", "x" * 7_000, "a " * 2_000, '"' * 999,
        "'; DROP TABLE documents; --", "%", "\\", "heart\nholder",
    ],
)  # fmt: skip
def test_whatever_is_typed_is_answered(shop: Api, typed: str) -> None:
    search(shop, typed)


def test_operators_are_words_like_all_others(shop: Api) -> None:
    assert search(shop, "heart OR lamp") == []
    assert search(shop, "heart NOT card") == []
    assert [result["id"] for result in search(shop, "hanging*")] == ["85123A"]


def test_what_is_typed_too_long_for_an_address_is_the_callers_error(shop: Api) -> None:
    assert shop.get(f"/v1/search?q={'x' * 10_240}").status == 414


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("", "/q"),
        ("q=a&type=order-form", "/type"),
        ("q=a&limit=0", "/limit"),
        ("q=a&limit=101", "/limit"),
        ("q=a&next=x", "/next"),
    ],
)
def test_what_cannot_be_asked_is_said_so(api: Api, query: str, pointer: str) -> None:
    answer = api.get(f"/v1/search?{query}")

    assert (answer.status, answer.pointers) == (422, [pointer])


def test_a_new_account_finds_nothing(api: Api) -> None:
    assert json.loads(api.get("/v1/search?q=anything").body) == {"results": []}


def test_nobody_finds_what_is_another_accounts(shop: Api) -> None:
    eve = Api().signed_up("eve@example.com")

    assert search(eve, "heart") == []
