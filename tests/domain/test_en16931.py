"""The example invoices of the European e-invoicing standard: our totals must be theirs."""

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.money import time_amount
from chalicelib.domain.vat import sum_up

EXAMPLES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "en16931.json").read_text())
_A_NEGATIVE_NET = "six packs are stated as a net of -109.98: the sign stands on the net and not on the quantity"
_HALF_THE_PRODUCT = "two at the price are stated as the price of one"
_A_QUARTER_OF_THE_PRODUCT = "two at 800.00 are stated as 400.00"
LINES_THAT_BREAK_THEIR_OWN_RULE = {
    ("guide-example1.xml", 19): _A_NEGATIVE_NET,
    ("ubl-tc434-example1.xml", 19): _A_NEGATIVE_NET,
    ("ubl-tc434-example10.xml", 19): _A_NEGATIVE_NET,
    ("guide-example2.xml", 0): _HALF_THE_PRODUCT,
    ("ubl-tc434-example2.xml", 0): _HALF_THE_PRODUCT,
    ("ubl-tc434-example3.xml", 0): _HALF_THE_PRODUCT,
    ("ubl-tc434-example3.xml", 1): _HALF_THE_PRODUCT,
    ("guide-example3.xml", 0): _A_QUARTER_OF_THE_PRODUCT,
    ("guide-example3.xml", 1): _A_QUARTER_OF_THE_PRODUCT,
}
"""By file and line, whose stated net is not quantity x price (BT-131): the stated net counts, as it does for their totals."""


@dataclass(frozen=True)
class Line:
    amount: Decimal
    tax_rate: Decimal


def rate_of(priced: dict[str, Any]) -> Decimal:
    """Category O (not subject to VAT) states no rate."""
    return Decimal(priced["vat_rate"] or 0)


def stated_lines(example: dict[str, Any]) -> list[Line]:
    """An allowance on the document is a negative line, a charge a line (BR-CO-13)."""
    return [
        *(Line(Decimal(line["net"]), rate_of(line)) for line in example["lines"]),
        *(Line(Decimal(change["amount"]), rate_of(change)) for change in example["allowances_and_charges"]),
    ]


each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example["source"]))


def test_all_fifteen_examples_are_here() -> None:
    assert len({example["source"] for example in EXAMPLES}) == len(EXAMPLES) == 15


@each_example
def test_net_vat_and_total_are_the_official_ones(example: dict[str, Any]) -> None:
    official = example["totals"]

    totals = sum_up(stated_lines(example), example["currency"])

    assert (str(totals.net), str(totals.vat), str(totals.total)) == (official["net"], official["vat"], official["gross"])


@each_example
def test_the_vat_of_each_rate_is_the_official_one(example: dict[str, Any]) -> None:
    official = {Decimal(group["rate"] or 0): (group["taxable"], group["tax"]) for group in example["vat"]}

    groups = sum_up(stated_lines(example), example["currency"]).vat_groups

    assert {group.rate: (str(group.net), str(group.vat)) for group in groups} == official


@each_example
def test_the_sum_of_the_lines_is_the_official_one(example: dict[str, Any]) -> None:
    only_lines = [Line(Decimal(line["net"]), Decimal(0)) for line in example["lines"]]

    assert str(sum_up(only_lines, example["currency"]).net) == example["totals"]["lines"]


def worked_out_net(line: dict[str, Any], currency: str) -> Decimal:
    """The line as if its quantity were hours, and its allowances and charges."""
    seconds = Decimal(line["quantity"]) * 3600
    hourly = Decimal(line["unit_price"]) / Decimal(line["base_quantity"] or 1)
    assert seconds == int(seconds), "no whole number of seconds"
    return time_amount(int(seconds), hourly, currency) + sum(map(Decimal, line["allowances"]))


@each_example
def test_a_line_s_net_is_quantity_times_price_but_for_those_that_break_their_own_rule(example: dict[str, Any]) -> None:
    broken = {
        (example["source"], place)
        for place, line in enumerate(example["lines"])
        if worked_out_net(line, example["currency"]) != Decimal(line["net"])
    }

    assert broken == {known for known in LINES_THAT_BREAK_THEIR_OWN_RULE if known[0] == example["source"]}
