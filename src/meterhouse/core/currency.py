"""Currencies of ISO 4217: their codes, and how many digits their amounts have after the point."""

from __future__ import annotations

#: Currencies whose amounts do not have two digits after the point.
_OTHER_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_TWO_DIGITS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD "
    "CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL "
    "GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR "
    "LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD "
    "PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC "
    "SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR "
    "ZMW ZWG"
)
_DIGITS = {code: digits for digits, codes in _OTHER_DIGITS.items() for code in codes.split()}
_DIGITS |= dict.fromkeys(_TWO_DIGITS.split(), 2)


def currency_digits(code: str) -> int | None:
    """Return the digits after the point of a currency's amounts; ``None``: there is none such.

    >>> currency_digits("EUR"), currency_digits("JPY"), currency_digits("KWD"), currency_digits("")
    (2, 0, 3, None)
    """
    return _DIGITS.get(code)


def currency_codes() -> list[str]:
    """Return the codes of all currencies, in order."""
    return sorted(_DIGITS)
