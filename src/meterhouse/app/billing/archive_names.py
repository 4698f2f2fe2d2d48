"""Names of files in the archive of invoices: nothing that anybody calls a customer leads elsewhere.

``invoices/<customer>/<YYYY>/<MM>/<issuer>_<CUSTOMER>_<YYYYMM>_<number>_v<NN>``, without the suffix.
An issuer may have its files called otherwise, such as ``LICEO_{country3}_{period}_{number}``: what
it says of an invoice stays with that from its issue on.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date

from meterhouse.app.billing.periods import days_billed
from meterhouse.core.country import alpha_3
from meterhouse.core.invoice import Invoice

_PLAIN = re.compile(r"[A-Za-z0-9-]|(?<=.)\.(?=.)")
_PLACE = re.compile(r"\{([^{}]*)\}")
_PART_CHARS_MAX = 48
_SHOWN_CHARS = 12
_DIGEST_CHARS = 32


def safe_part(text: str) -> str:
    """Return a text as a part of a name; different texts have different parts.

    Letters and digits of ASCII, hyphens, and points inside stay; any other byte of its UTF-8 is
    written ``=2F``. What would be too long ends with its hash.

    >>> safe_part("acme.com"), safe_part("../a_b"), safe_part("")
    ('acme.com', '=2E.=2Fa=5Fb', '=')
    """
    found = "".join(
        char if _PLAIN.match(text, place) else _escaped(char) for place, char in enumerate(text)
    )
    if len(found) <= _PART_CHARS_MAX:
        return found or "="
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARS]
    return f"{found[:_SHOWN_CHARS].rstrip('=.')}=={digest}"


def file_name(format: str, invoice: Invoice, *, issuer: str, number: str) -> str:
    """Return what an issuer's format makes of an invoice; an empty text where it has none."""
    country = invoice.buyer.address.country
    places = {
        "issuer": issuer,
        "customer": invoice.customer,
        "country": country,
        "country3": alpha_3(country) or country,
        "period": f"{first_day(invoice):%Y%m}",
        "number": number,
    }
    return _PLACE.sub(lambda place: safe_part(places[place[1]]), format)


def first_day(invoice: Invoice) -> date:
    """Return the first day that an invoice was drafted for, in its own zone."""
    return days_billed(invoice).first


def invoice_stem(
    *, issuer: str, customer: str, start: date, number: str, version: int, name: str = ""
) -> str:
    """Return the name of an invoice's files, without their suffix.

    ``start`` is the first day of its period. The customer's folder has its id as it is. ``name`` is
    what the invoice says that its files are called.

    >>> invoice_stem(
    ...     issuer="liceo", customer="esp", start=date(2026, 10, 1), number="2026-000001", version=1
    ... )
    'invoices/esp/2026/10/liceo_ESP_202610_2026-000001_v01'
    """
    folder = safe_part(customer)
    parts = (safe_part(issuer), folder.upper(), f"{start:%Y%m}", safe_part(number))
    return f"invoices/{folder}/{start:%Y/%m}/{name or '_'.join(parts)}_v{version:02d}"


def _escaped(char: str) -> str:
    return "".join(f"={byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
