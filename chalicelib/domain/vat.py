"""VAT: what falls under which rate, and what it comes to."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Protocol

from chalicelib.domain.money import EXACT, percentage, round_money


class Taxed(Protocol):
    """Anything with an amount and the VAT rate that it falls under, in per cent."""

    @property
    def amount(self) -> Decimal: ...
    @property
    def tax_rate(self) -> Decimal: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VatGroup:
    """All that falls under one VAT rate; `rate` in per cent."""

    rate: Decimal
    net: Decimal
    vat: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    net: Decimal
    vat: Decimal
    total: Decimal
    vat_groups: tuple[VatGroup, ...]


def sum_up(lines: Iterable[Taxed], currency: str) -> Totals:
    """Totals of lines that are already rounded; VAT on the sum of each rate's lines, never per line (EN 16931, BR-S-08/09)."""
    nets: dict[Decimal, Decimal] = {}
    with localcontext(EXACT):
        for line in lines:
            nets[line.tax_rate] = nets.get(line.tax_rate, Decimal(0)) + line.amount
        groups = tuple(
            VatGroup(rate=rate, net=round_money(net, currency), vat=percentage(net, rate, currency))
            for rate, net in sorted(nets.items(), reverse=True)
        )
        net = round_money(sum((group.net for group in groups), Decimal(0)), currency)
        vat = round_money(sum((group.vat for group in groups), Decimal(0)), currency)
        return Totals(net=net, vat=vat, total=net + vat, vat_groups=groups)
