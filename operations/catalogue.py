"""A shop's product list, from a CSV with the headings StockCode, Description and UnitPrice, into the catalogue by the API."""

import csv
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import requests

AT_ONCE: Final = 8
"""Requests at once."""
Ask = Callable[[str, str, object], requests.Response]
"""Method, path and JSON body of a request of somebody who is signed in."""


def read_products(*files: Path) -> dict[str, dict[str, Any]]:
    """Bodies of products by stock code; where a code comes more than once, the last row counts."""
    products: dict[str, dict[str, Any]] = {}
    for file in files:
        with file.open(newline="", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                products[row["StockCode"]] = {"name": row["Description"], "price": row["UnitPrice"]}
    return products


def put_products(products: Mapping[str, Mapping[str, Any]], ask: Ask) -> dict[str, requests.Response]:
    """The answers, by stock code."""

    def put(product: tuple[str, Mapping[str, Any]]) -> requests.Response:
        code, body = product
        return ask("PUT", f"/v1/products/{quote(code, safe='')}", body)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(products, pool.map(put, products.items()), strict=True))


def refused(answers: Iterable[tuple[str, requests.Response]]) -> dict[str, str]:
    """Why, by stock code, of those that were not taken."""
    return {code: answer.json()["detail"] for code, answer in answers if not answer.ok}
