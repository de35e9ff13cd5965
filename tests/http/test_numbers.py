"""Numbers go in and out with exactly their digits, never through a float."""

import pytest

from tests.http.api import Api, made


def _body(rate: str) -> str:
    return f'{{"name": "Babbage & Co", "currency": "EUR", "rate": {rate}}}'


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("95", "95"),
        ("0", "0"),
        ("0.6645600532184904", "0.6645600532184904"),
        ("12.50", "12.50"),
        ('"12.50"', "12.50"),
        ("0.1", "0.1"),
        ("1e-7", "1E-7"),
        ("1E2", "1E+2"),
        ("9007199254740993", "9007199254740993"),
        ("12345678901234567890", "12345678901234567890"),
        ("1234567890.1234567890", "1234567890.1234567890"),
        ('"1234567890.1234567890"', "1234567890.1234567890"),
        ("0.00000000000000000001", "1E-20"),
    ],
)
def test_a_number_comes_back_with_its_digits(api: Api, sent: str, shown: str) -> None:
    answer = api.post("/v1/clients", _body(sent))

    client_id = made(answer)["id"]
    again = api.get(f"/v1/clients/{client_id}")
    for one in (answer, again):
        assert f'"rate":{shown},'.encode() in one.body


@pytest.mark.parametrize(
    "sent",
    [
        "123456789012345678901",
        "0.123456789012345678901",
        "1" * 400,
        '"' + "1" * 400 + '"',
        "1e21",
        "1e-21",
        "1e400",
        "-0.01",
        "-1e-20",
    ],
)
def test_a_number_that_nobody_means_is_refused(api: Api, sent: str) -> None:
    answer = api.post("/v1/clients", _body(sent))

    assert (answer.status, answer.pointers) == (422, ["/rate"])
    assert api.get("/v1/clients").json == {"clients": []}


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "1127"), ("EUR", "1127.00"), ("KWD", "1127.000")])
def test_an_amount_has_its_currencys_decimals(api: Api, currency: str, amount: str) -> None:
    client_id = api.add_client(currency=currency, rate=1127)
    api.log(client_id, "2026-11-02")

    answer = api.post("/v1/invoices", {"client_id": client_id, "through": "2026-11-20"})

    assert made(answer)["currency"] == currency
    for member in ("net", "total", "open_amount", "amount"):
        assert f'"{member}":{amount}'.encode() in answer.body
    assert f'"{amount}"'.encode() not in answer.body
    assert api.get(f"/v1/invoices/{answer.json['id']}").body == answer.body
