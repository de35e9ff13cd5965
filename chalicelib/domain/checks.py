"""Rules of fields that more than one thing has, and how broken ones are told together."""

import re
from collections.abc import Callable
from decimal import Decimal

from chalicelib.domain.errors import FieldError, Invalid
from chalicelib.domain.money import check_exact

_MAX_TAX_RATE = Decimal(100)
# Texts, not patterns: most cold starts check none of them. `re` keeps what it compiled.
_DOMAIN_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_TOP_LEVEL = r"(?:[A-Za-z]{2,63}|[Xx][Nn]--[A-Za-z0-9-]{0,58}[A-Za-z0-9])"
_EMAIL = rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@(?:{_DOMAIN_LABEL}\.)+{_TOP_LEVEL}"
# ISO 3166-1 alpha-2, officially assigned (249), and XK, which the EU and most banks use for Kosovo.
_COUNTRY_CODES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
    "CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO "
    "FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE "
    "JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO "
    "MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW "
    "PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM "
    "TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"
)
COUNTRIES = frozenset(_COUNTRY_CODES.split())


def raise_all(*checks: Callable[[], object]) -> None:
    """Runs every check. Raises: Invalid with the errors of all of them."""
    errors: list[FieldError] = []
    for check in checks:
        try:
            check()
        except Invalid as invalid:
            errors.extend(invalid.errors)
    if errors:
        raise Invalid(errors)


def check_email(address: str, pointer: str = "/email") -> str:
    """Raises: Invalid unless it is an ASCII address as browsers accept it (WHATWG HTML), with a dot in its domain."""
    if len(address) > 254 or re.fullmatch(_EMAIL, address, re.ASCII) is None:
        raise Invalid(FieldError(pointer, "is not an e-mail address"))
    return address


def check_country(code: str | None, pointer: str = "/country") -> None:
    """Raises: Invalid if it is no ISO 3166-1 alpha-2 code."""
    if code is not None and code not in COUNTRIES:
        raise Invalid(FieldError(pointer, "is not an ISO 3166-1 country code, such as AT"))


def check_tax_rate(rate: Decimal | None, pointer: str) -> None:
    """Raises: Invalid unless 0 <= rate <= 100, with at most 4 decimals."""
    if rate is None:
        return
    check_exact(rate, pointer)
    if not 0 <= rate <= _MAX_TAX_RATE or rate != round(rate, 4):
        raise Invalid(FieldError(pointer, "must be a percentage from 0 to 100 with at most 4 decimals"))


def check_pattern(text: str | None, pattern: str, pointer: str, detail: str) -> None:
    """Raises: Invalid with `detail` unless all of `text` fits."""
    if text is not None and re.fullmatch(pattern, text, re.ASCII) is None:
        raise Invalid(FieldError(pointer, detail))
