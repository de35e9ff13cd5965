"""Invoices with totals that are right, for whatever lines a test wants on paper."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from chalicelib.domain.invoices import Buyer, CreditNote, Invoice, InvoiceLine, Seller
from chalicelib.domain.money import time_amount
from chalicelib.domain.vat import VatGroup, sum_up

SELLER = Seller(
    name="Jana Müller Softwareentwicklung",
    address="Lindengasse 14/7\n1070 Wien",
    country="AT",
    email="jana@mueller.example",
    tax_id="12 345/6789",
    vat_id="ATU12345678",
    iban="AT611904300234573201",
    bic="BKAUATWW",
)
BUYER = Buyer(
    name="Würth & Söhne GmbH",
    address="z. Hd. Frau Öztürk\nKöniggrätzer Straße 101\n10963 Berlin",
    country="DE",
    email="rechnung@wuerth.example",
    vat_id="DE136695976",
)
ISSUED_AT = datetime(2024, 10, 31, 2, 0, 7, tzinfo=UTC)
TEXTS = (
    "Add report exports; Fix force HTTPS config",
    "Fehlersuche im Export, Überarbeitung der Oberfläche",
    "Make email validation on registration stricter",
    "Stricter validation for uuid and integer; Fix bugs in computed attribute calculation; Fixed escaping issues in importer",
    "Workshop (½ day) — €-Umstellung",
)


def a_line(
    number: int = 1,
    *,
    description: str = "Add report exports",
    seconds: int = 2700,
    rate: str = "95",
    tax_rate: str = "20",
    currency: str = "EUR",
) -> InvoiceLine:
    return InvoiceLine(
        entry_id=f"wrk_{number}",
        day=date(2024, 10, 1) + timedelta(days=(number - 1) % 31),
        description=description,
        duration_seconds=seconds,
        rate=Decimal(rate),
        amount=time_amount(seconds, Decimal(rate), currency),
        tax_rate=Decimal(tax_rate),
    )


def some_lines(count: int, *, currency: str = "EUR") -> tuple[InvoiceLine, ...]:
    return tuple(
        a_line(number, description=TEXTS[number % len(TEXTS)], seconds=900 * (1 + number % 13), currency=currency)
        for number in range(1, count + 1)
    )


def an_invoice(
    lines: Sequence[InvoiceLine],
    *,
    currency: str = "EUR",
    seller: Seller = SELLER,
    buyer: Buyer = BUYER,
    reverse_charge: bool = False,
    number: str = "RE-2024-0017",
) -> Invoice:
    totals = sum_up(lines, currency)
    return Invoice(
        account_id="acc_1",
        id="inv_1",
        number=number,
        client_id="cli_1",
        seller=seller,
        buyer=buyer,
        currency=currency,
        reverse_charge=reverse_charge,
        issued_at=ISSUED_AT,
        issued_on=date(2024, 10, 31),
        due_on=date(2024, 11, 14),
        period_from=min((line.day for line in lines), default=date(2024, 10, 1)),
        period_through=date(2024, 10, 31),
        duration_seconds=sum(line.duration_seconds for line in lines),
        line_count=len(lines),
        net=totals.net,
        vat=totals.vat,
        total=totals.total,
        vat_groups=totals.vat_groups,
        months=("2024-10",),
    )


def a_credit_note(invoice: Invoice, *, reason: str = "Wrong hourly rate") -> CreditNote:
    return CreditNote(
        account_id=invoice.account_id,
        id="crn_1",
        number="CN2024-0001",
        invoice_id=invoice.id,
        invoice_number=invoice.number,
        client_id=invoice.client_id,
        reason=reason,
        issued_at=ISSUED_AT + timedelta(days=3),
        issued_on=date(2024, 11, 3),
        currency=invoice.currency,
        net=-invoice.net,
        vat=-invoice.vat,
        total=-invoice.total,
        vat_groups=tuple(VatGroup(rate=group.rate, net=-group.net, vat=-group.vat) for group in invoice.vat_groups),
    )


def renamed(seller: Seller, name: str) -> Seller:
    return replace(seller, name=name)
