"""The documents are read back as a reader's program would: text by pypdf, place by place where it matters."""

import csv
import hashlib
import io
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PageObject, PdfReader

from chalicelib.domain.invoices import Invoice, InvoiceLine
from chalicelib.domain.vat import VatGroup
from chalicelib.gateways.printer import REVERSE_CHARGE, PdfPrinter
from tests.gateways.papers import BUYER, SELLER, a_credit_note, a_line, an_invoice, some_lines

PRINTER = PdfPrinter()
TABLE_HEAD = ["Date", "Description", "Hours", "EUR per hour", "Amount EUR"]
MONTH = Path(__file__).parents[2] / "examples" / "work-2024-10.csv"


def pages_of(pdf: bytes) -> list[list[str]]:
    """The words of each page, one string for each that was set."""
    return [page.extract_text().splitlines() for page in PdfReader(io.BytesIO(pdf)).pages]


def print_invoice(lines: Sequence[InvoiceLine], invoice: Invoice | None = None) -> list[list[str]]:
    return pages_of(PRINTER.invoice(invoice or an_invoice(lines), lines))


def after(label: str, page: Sequence[str]) -> str:
    """What stands behind, or beneath, a label."""
    return page[page.index(label) + 1]


def test_an_invoice_names_the_business_and_the_client_with_their_tax_numbers() -> None:
    (page,) = print_invoice([a_line()])

    assert page[:6] == [
        "Jana Müller Softwareentwicklung",
        "Lindengasse 14/7",
        "1070 Wien",
        "Austria",
        "jana@mueller.example",
        "Tax ID: 12 345/6789",
    ]
    assert page.count("VAT ID: ATU12345678") == 1
    buyer = page.index("Bill to") + 1
    assert page[buyer : buyer + 6] == [
        "Würth & Söhne GmbH",
        "z. Hd. Frau Öztürk",
        "Königgrätzer Straße 101",
        "10963 Berlin",
        "Germany",
        "VAT ID: DE136695976",
    ]


def test_an_invoice_says_its_number_and_its_days() -> None:
    (page,) = print_invoice([a_line()])

    assert "Invoice RE-2024-0017" in page
    assert after("Invoice number", page) == "RE-2024-0017"
    assert after("Issue date", page) == "31 October 2024"
    assert after("Period", page) == "1 – 31 October 2024"
    assert after("Due date", page) == "14 November 2024"


def test_a_line_says_day_text_hours_rate_and_amount() -> None:
    (page,) = print_invoice([a_line(seconds=6_617)])

    row = page.index("Amount EUR") + 1
    assert page[row : row + 5] == ["1 Oct 2024", "Add report exports", "1:50:17", "95.00", "174.62"]


def test_seconds_are_shown_on_all_lines_or_on_none() -> None:
    (whole,) = print_invoice([a_line(1, seconds=2_700), a_line(2, seconds=3_600)])
    (odd,) = print_invoice([a_line(1, seconds=2_700), a_line(2, seconds=3_601)])

    assert {"0:45", "1:00", "1:45"} <= set(whole)
    assert {"0:45:00", "1:00:01", "1:45:01"} <= set(odd)


def test_the_totals_are_the_invoice_s_own() -> None:
    lines = [a_line(1, seconds=6_617), a_line(2, seconds=2_700)]
    (page,) = print_invoice(lines)

    assert after("Net amount", page) == "2:35:17"
    assert "245.87" in page
    assert after("VAT 20 % on 245.87", page) == "49.17 EUR"
    assert after("Total", page) == "295.04 EUR"


def test_each_vat_rate_has_a_sum_of_its_own_and_each_line_says_its_rate() -> None:
    lines = [a_line(1, tax_rate="20"), a_line(2, tax_rate="10"), a_line(3, tax_rate="10")]
    (page,) = print_invoice(lines)

    assert after("VAT 20 % on 71.25", page) == "14.25 EUR"
    assert after("VAT 10 % on 142.50", page) == "14.25 EUR"
    assert page.index("VAT 20 % on 71.25") < page.index("VAT 10 % on 142.50")
    head = page.index("Date")
    assert page[head : head + 6] == ["Date", "Description", "Hours", "EUR per hour", "VAT", "Amount EUR"]
    assert (page.count("20 %"), page.count("10 %")) == (1, 2)


def test_with_reverse_charge_the_recipient_accounts_for_the_vat() -> None:
    lines = [a_line(tax_rate="0")]
    (page,) = print_invoice(lines, an_invoice(lines, reverse_charge=True))

    assert REVERSE_CHARGE in page
    assert after("VAT 0 % on 71.25 (reverse charge)", page) == "0.00 EUR"
    assert after("Total", page) == "71.25 EUR"
    assert {"VAT ID: ATU12345678", "VAT ID: DE136695976"} <= set(page)


def test_without_reverse_charge_there_are_no_such_words() -> None:
    (page,) = print_invoice([a_line(tax_rate="0")])

    assert "everse charge" not in "\n".join(page)


def test_the_client_reads_how_to_pay() -> None:
    (page,) = print_invoice([a_line()])

    assert "Please pay 85.50 EUR by 14 November 2024." in page
    assert after("Account holder", page) == "Jana Müller Softwareentwicklung"
    assert after("IBAN", page) == "AT61 1904 3002 3457 3201"
    assert after("BIC", page) == "BKAUATWW"
    assert after("Reference", page) == "RE-2024-0017"


def test_without_a_bank_account_there_is_still_a_day_and_a_reference() -> None:
    lines = [a_line()]
    (page,) = print_invoice(lines, an_invoice(lines, seller=replace(SELLER, iban=None, bic=None)))

    assert "Please pay 85.50 EUR by 14 November 2024." in page
    assert after("Reference", page) == "RE-2024-0017"
    assert "IBAN" not in page
    assert "Account holder" not in page


def test_nobody_is_asked_to_pay_nothing() -> None:
    (page,) = print_invoice([a_line(rate="0")])

    assert after("Total", page) == "0.00 EUR"
    assert not any(line.startswith("Please pay") for line in page)


def test_what_the_parties_do_not_have_is_left_out() -> None:
    lines = [a_line()]
    seller = replace(SELLER, address="", tax_id=None, vat_id=None)
    buyer = replace(BUYER, address="", country=None, vat_id=None)
    (page,) = print_invoice(lines, an_invoice(lines, seller=seller, buyer=buyer))

    assert page[:3] == ["Jana Müller Softwareentwicklung", "Austria", "jana@mueller.example"]
    assert after("Bill to", page) == "Würth & Söhne GmbH"
    assert "Tax ID" not in "".join(page)
    assert "VAT ID" not in "".join(page)
    assert "None" not in "".join(page)


@pytest.mark.parametrize("last_line", ["Austria", "AUSTRIA", "at"])
def test_a_country_that_the_address_ends_with_is_not_said_twice(last_line: str) -> None:
    lines = [a_line()]
    (page,) = print_invoice(lines, an_invoice(lines, seller=replace(SELLER, address=f"Lindengasse 14\n1070 Wien\n{last_line}")))

    assert page[3:5] == [last_line, "jana@mueller.example"]


def test_a_credit_note_takes_the_whole_invoice_back_and_says_why() -> None:
    lines = [a_line(1, seconds=6_617), a_line(2)]
    invoice = an_invoice(lines)
    (page,) = pages_of(PRINTER.credit_note(a_credit_note(invoice, reason="Wrong hourly rate"), invoice, lines))

    assert "Credit note CN2024-0001" in page
    assert after("Credit note number", page) == "CN2024-0001"
    assert after("Issue date", page) == "3 November 2024"
    assert after("For invoice", page) == "RE-2024-0017"
    assert after("Invoice date", page) == "31 October 2024"
    assert "This credit note takes back invoice RE-2024-0017 of 31 October 2024 in full." in page
    assert "Reason: Wrong hourly rate" in page
    assert {"-1:50:17", "-174.62", "-0:45:00", "-71.25", "-2:35:17", "-245.87"} <= set(page)
    assert after("VAT 20 % on -245.87", page) == "-49.17 EUR"
    assert after("Total credit", page) == "-295.04 EUR"
    assert not any("pay" in line for line in page)


def test_a_credit_note_keeps_the_invoice_s_parties_and_its_reverse_charge() -> None:
    lines = [a_line(tax_rate="0")]
    invoice = an_invoice(lines, reverse_charge=True)
    (page,) = pages_of(PRINTER.credit_note(a_credit_note(invoice), invoice, lines))

    assert after("Credit to", page) == "Würth & Söhne GmbH"
    assert REVERSE_CHARGE in page
    assert after("VAT 0 % on -71.25 (reverse charge)", page) == "0.00 EUR"


@pytest.mark.parametrize("count", [1, 18, 19, 20, 21, 22, 23, 24, 60, 200])
def test_the_table_s_head_is_on_each_page_and_the_totals_are_never_without_a_line(count: int) -> None:
    lines = [a_line(number, description=f"Entry {number}") for number in range(1, count + 1)]
    pages = print_invoice(lines)

    for number, page in enumerate(pages, start=1):
        head = page.index("Date")
        assert page[head : head + 5] == TABLE_HEAD
        assert page[-1] == f"Page {number} of {len(pages)}"
        assert any(line.startswith("Entry ") for line in page)
    assert [line for page in pages for line in page if line.startswith("Entry ")] == [f"Entry {n}" for n in range(1, count + 1)]
    assert "Total" in pages[-1]
    assert f"Entry {count}" in pages[-1]
    assert all("Net amount" not in page for page in pages[:-1])


def test_later_pages_say_whose_invoice_they_belong_to() -> None:
    _, *later = print_invoice(some_lines(60))

    assert len(later) >= 1
    assert all(page[:2] == ["Invoice RE-2024-0017", "Jana Müller Softwareentwicklung"] for page in later)


@pytest.mark.parametrize("count", [1, 19, 23, 60])
def test_nothing_stands_outside_the_margins_or_on_top_of_the_footer(count: int) -> None:
    lines = [replace(line, description=line.description * 3) for line in some_lines(count)]
    for page in PdfReader(io.BytesIO(PRINTER.invoice(an_invoice(lines), lines))).pages:
        for x, y, text in placed_words(page):
            assert 56 < x < 540, text
            assert y > 70 or text.startswith(("Page ", "Jana Müller")), text
            assert y < 800, text


def placed_words(page: PageObject) -> list[tuple[float, float, str]]:
    """Left edge and baseline, from the bottom, of whatever was set."""
    placed: list[tuple[float, float, str]] = []

    def note(text: str, _matrix: object, words: list[float], _font: object, _size: float) -> None:
        if text.strip():
            placed.append((words[4], words[5], text.strip()))

    page.extract_text(visitor_text=note)
    return placed


def test_figures_end_at_one_edge_however_long_they_are() -> None:
    """Noto Sans has digits of one width: what is a digit longer begins a digit further left."""
    lines = [a_line(1, seconds=3_600, rate="1"), a_line(2, seconds=3_600, rate="10"), a_line(3, seconds=3_600, rate="100")]
    (page,) = PdfReader(io.BytesIO(PRINTER.invoice(an_invoice(lines), lines))).pages
    left = {text: x for x, _, text in placed_words(page) if text in {"1.00", "10.00", "100.00"} and x > 450}

    digit = 9 * 0.572
    assert left["1.00"] - left["10.00"] == pytest.approx(digit, abs=0.01)
    assert left["10.00"] - left["100.00"] == pytest.approx(digit, abs=0.01)


def test_the_month_of_the_example_comes_out_to_the_cent() -> None:
    with MONTH.open(encoding="utf-8") as file:
        entries = [
            (datetime.fromisoformat(row["started_at"]), datetime.fromisoformat(row["ended_at"]), row["description"])
            for row in csv.DictReader(file)
        ]
    lines = [
        replace(a_line(number, description=description, seconds=int((ended - started).total_seconds())), day=started.date())
        for number, (started, ended, description) in enumerate(entries)
    ]
    pages = print_invoice(lines)

    assert after("Net amount", pages[-1]) == "17:01:46"
    assert "1,617.80" in pages[-1]
    assert after("Total", pages[-1]) == "1,941.36 EUR"
    assert sum(page.count("71.25") for page in pages) == 14
    assert "317.83" in pages[0]


def test_umlauts_the_euro_sign_greek_and_cyrillic_are_read_as_they_were_written() -> None:
    texts = [
        "Überprüfung für 12 €",
        "Ελληνική Εταιρεία",
        "Доставка отчёта",
        "Žluťoučký kůň",
        "Şırnak ğ İ",
        "Łódź",
        "½ day — “quoted”",
    ]
    (page,) = print_invoice([a_line(number, description=text) for number, text in enumerate(texts, start=1)])

    assert set(texts) <= set(page)


def test_what_the_font_lacks_is_visibly_replaced() -> None:
    (page,) = print_invoice([a_line(description="A 日本 😀 שלום B")])

    assert "A \ufffd\ufffd \ufffd \ufffd\ufffd\ufffd\ufffd B" in page


def test_an_accent_that_was_typed_on_its_own_joins_its_letter() -> None:
    (page,) = print_invoice([a_line(description="Mu\u0308ller")])

    assert "Müller" in page


def test_markup_is_text_like_any_other() -> None:
    (page,) = print_invoice([a_line(description="<b>bold</b> **stars** &amp; \\n (brackets) %d {0}")])

    assert "<b>bold</b> **stars** &amp; \\n (brackets) %d {0}" in page


def test_controls_and_what_turns_text_round_are_not_printed() -> None:
    (page,) = print_invoice([a_line(description="pay\u202e 00.5 \u202conly\x00\x07\t5.00\u200b\ufeff\nEUR")])

    assert "pay 00.5 only 5.00 EUR" in page


def test_a_word_longer_than_its_column_breaks_and_loses_nothing() -> None:
    word = "".join(chr(ord("a") + number % 26) for number in range(2_000))
    pages = print_invoice([a_line(description=word), a_line(2, description="the next")])

    parts = [line for page in pages for line in page if line and line in word and len(line) > 5]
    assert "".join(parts) == word
    assert any("the next" in page for page in pages)


def test_a_long_text_breaks_between_words() -> None:
    text = " ".join(f"word{number}" for number in range(400))
    pages = print_invoice([a_line(description=text)])

    assert " ".join(line for page in pages for line in page if line.startswith("word")) == text


def test_names_and_addresses_of_any_length_are_printed_in_full() -> None:
    seller = replace(SELLER, name="Gesellschaft " * 15, address="Gasse " * 80)
    buyer = replace(BUYER, name="B" * 200, address="\n".join(f"line {number}" for number in range(60)))
    lines = [a_line()]
    words = " ".join(line for page in print_invoice(lines, an_invoice(lines, seller=seller, buyer=buyer)) for line in page)

    assert words.count("Gesellschaft") >= 15
    assert words.count("Gasse") == 80
    assert words.replace(" ", "").count("B" * 200) == 1
    assert all(f"line {number}" in words for number in range(60))


@pytest.mark.parametrize(
    ("currency", "rate", "seconds", "amount"),
    [("JPY", "7500", 5_400, "11,250"), ("KWD", "1.2345", 10_800, "3.704"), ("EUR", "95", 2_700, "71.25")],
)
def test_amounts_have_the_decimals_of_their_currency(currency: str, rate: str, seconds: int, amount: str) -> None:
    lines = [a_line(rate=rate, seconds=seconds, currency=currency, tax_rate="0")]
    (page,) = print_invoice(lines, an_invoice(lines, currency=currency))

    assert amount in page
    assert after("Total", page) == f"{amount} {currency}"
    assert f"{currency} per hour" in page


def test_enormous_figures_stay_whole_and_on_the_page() -> None:
    lines = [
        a_line(1, rate="99999999999999999.999", seconds=3_600 * 600, currency="KWD"),
        a_line(2, rate="5", currency="KWD", tax_rate="5"),
    ]
    pdf = PRINTER.invoice(an_invoice(lines, currency="KWD"), lines)
    (page,) = pages_of(pdf)

    assert {"99,999,999,999,999,999.999", "59,999,999,999,999,999,999.400", "60,000,000,000,000,000,003.150"} <= set(page)
    assert after("VAT 20 % on 59,999,999,999,999,999,999.400", page) == "11,999,999,999,999,999,999.880 KWD"
    assert after("Total", page) == "72,000,000,000,000,000,003.218 KWD"
    assert all(56 < x < 540 for x, _, _ in placed_words(PdfReader(io.BytesIO(pdf)).pages[0]))


def test_the_same_invoice_gives_the_same_bytes_in_another_process() -> None:
    lines = some_lines(30)
    here = hashlib.sha256(PRINTER.invoice(an_invoice(lines), lines)).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", _PRINT_AND_HASH],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={"PYTHONHASHSEED": "7", "TZ": "Pacific/Auckland"},
    )

    assert there.stdout.strip() == here


_PRINT_AND_HASH = """
import hashlib
from chalicelib.gateways.printer import PdfPrinter
from tests.gateways.papers import an_invoice, some_lines
lines = some_lines(30)
print(hashlib.sha256(PdfPrinter().invoice(an_invoice(lines), lines)).hexdigest())
"""


def test_what_is_not_frozen_does_not_show_on_the_paper() -> None:
    lines = [a_line()]
    invoice = an_invoice(lines)
    later = replace(invoice, version=9, credit_note_id="crn_1", credit_note_number="CN2024-0001")

    assert PRINTER.invoice(later, lines) == PRINTER.invoice(invoice, lines)


def test_amounts_that_came_back_without_their_zeros_print_the_same() -> None:
    lines = [a_line(seconds=7_200, rate="95.00")]
    invoice = an_invoice(lines)
    stored = replace(
        invoice,
        net=invoice.net.normalize(),
        vat=invoice.vat.normalize(),
        total=invoice.total.normalize(),
        vat_groups=tuple(
            VatGroup(rate=group.rate.normalize(), net=group.net.normalize(), vat=group.vat.normalize())
            for group in invoice.vat_groups
        ),
    )
    stored_lines = [replace(lines[0], rate=Decimal(95), amount=lines[0].amount.normalize())]

    assert PRINTER.invoice(stored, stored_lines) == PRINTER.invoice(invoice, lines)


def test_the_file_says_what_it_is_and_when_it_was_issued() -> None:
    lines = [a_line()]
    metadata = PdfReader(io.BytesIO(PRINTER.invoice(an_invoice(lines), lines))).metadata

    assert metadata is not None
    assert metadata.title == "Invoice RE-2024-0017"
    assert metadata.author == "Jana Müller Softwareentwicklung"
    assert metadata.creation_date == datetime.fromisoformat("2024-10-31T02:00:07+00:00")


def test_only_the_letters_that_are_used_are_embedded() -> None:
    assert len(PRINTER.invoice(an_invoice([a_line()]), [a_line()])) < 40_000


def test_two_thousand_lines_are_all_there() -> None:
    lines = [a_line(number, description=f"Entry {number}") for number in range(1, 2_001)]
    pages = print_invoice(lines)

    printed = [line for page in pages for line in page if line.startswith("Entry ")]
    assert printed == [f"Entry {number}" for number in range(1, 2_001)]
    assert pages[-1][-1] == f"Page {len(pages)} of {len(pages)}"


ANY_TEXT = st.text(st.characters(), max_size=300)


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.integers(0, 10**7), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_no_text_whatever_keeps_an_invoice_from_being_printed(
    description: str, name: str, address: str, seconds: int, currency: str
) -> None:
    lines = [a_line(description=description, seconds=seconds, currency=currency)]
    invoice = an_invoice(
        lines, currency=currency, seller=replace(SELLER, name=name), buyer=replace(BUYER, name=name, address=address)
    )

    pages = print_invoice(lines, invoice)
    assert pages[-1][-1] == f"Page {len(pages)} of {len(pages)}"


def test_a_day_long_past_is_printed_like_any_other() -> None:
    lines = [replace(a_line(), day=date(1999, 12, 31))]

    assert "31 Dec 1999" in print_invoice(lines)[0]
