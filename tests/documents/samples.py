"""Invoices to write: the worked one, and others that add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from meterhouse.core.charge import (
    BillingPeriod,
    Charge,
    ChargeKind,
    ChargePart,
    Reduction,
    Source,
)
from meterhouse.core.instant import parse_instant
from meterhouse.core.invoice import (
    BookUsed,
    CreditUse,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    InvoiceStatus,
    TaxTotal,
    Totals,
    Window,
)
from meterhouse.core.json_text import canonical_text
from meterhouse.core.money import rounded, rounded_ratio
from meterhouse.core.party import Address, Party

D = Decimal
PERIOD = BillingPeriod(
    parse_instant("2026-09-30T22:00:00Z"), parse_instant("2026-10-31T23:00:00Z"), "Europe/Madrid"
)
SELLER = Party(
    name="Aura Global Services S.L.",
    address=Address("ES", "Ronda de la Comunicación 2", "Madrid", "28050"),
    tax_id="ESB12345674",
    legal_id="B12345674",
    email="billing@aura.example",
)
BUYER = Party(
    name="Liceo España S.A.U.",
    address=Address("ES", "Gran Vía 28", "Madrid", "28013"),
    tax_id="ESA87654321",
)


def a_charge(
    quantity: str,
    price: str | None,
    *,
    digits: int = 2,
    per: str = "1",
    gross: str | None = None,
    reductions: Sequence[Reduction] = (),
    parts: Sequence[ChargePart] = (),
    sources: Sequence[Source] = (),
    kind: ChargeKind = ChargeKind.USAGE,
    sku: str = "calls",
    name: str = "Calls",
    model: str = "per_unit",
    unit: str = "request",
    **fields: str,
) -> Charge:
    exact = D(quantity) * D(price) / D(per) if price is not None else D(gross)
    whole = D(gross) if gross is not None else rounded_ratio(D(quantity) * D(price), D(per), digits)
    return Charge(
        sku=sku,
        kind=kind,
        name=name,
        model=model,
        unit=unit,
        fields={name: canonical_text(value) for name, value in fields.items()},
        quantity=D(quantity),
        billable=D(quantity),
        per=D(per),
        list_price=None if price is None else D(price),
        parts=tuple(parts),
        exact=exact,
        gross=whole,
        net=whole - sum((one.amount for one in reductions), D(0)),
        tax=None,
        period=PERIOD,
        reductions=tuple(reductions),
        sources=tuple(sources),
    )


def a_line(
    charge: Charge,
    *,
    category: str = "S",
    rate: str = "21",
    shares: Sequence[Reduction] = (),
    **changes,
) -> InvoiceLine:
    net = charge.net - sum((one.amount for one in shares), D(0))
    return InvoiceLine(
        id="",
        charge=charge,
        net=net,
        tax_category=category,
        tax_rate=D(rate),
        book="ab" * 32,
        shares=tuple(shares),
        **changes,
    )


def an_invoice(
    lines: Sequence[InvoiceLine],
    *,
    credits: Sequence[CreditUse] = (),
    reasons: dict[str, str] | None = None,
    digits: int = 2,
    **changes,
) -> Invoice:
    """Add lines up as invoicing does; the credit before tax is taken off the first category."""
    lines = [replace(line, id=str(at)) for at, line in enumerate(lines, 1)]
    before = sum((one.amount for one in credits if not one.paid), D(0))
    prepaid = sum((one.amount for one in credits if one.paid), D(0))
    bases: dict[tuple[str, Decimal], Decimal] = {}
    for line in lines:
        key = line.tax_category, line.tax_rate
        bases[key] = bases.get(key, D(0)) + line.net
    taxes, left = [], before
    for (category, rate), base in bases.items():
        taken = min(left, base)
        left -= taken
        tax = rounded((base - taken) * rate / 100, digits)
        reason = (reasons or {}).get(category, "")
        taxes.append(TaxTotal(category, rate, base - taken, tax, reason=reason))
    total_lines = sum((line.net for line in lines), D(0))
    tax = sum((one.amount for one in taxes), D(0))
    net = total_lines - before
    made = Invoice(
        id="0b0e6c1e-6c1b-4f0e-9b1a-3d5d0f6a2f10",
        kind=InvoiceKind.INVOICE,
        status=InvoiceStatus.ISSUED,
        customer="ES",
        seller=SELLER,
        buyer=BUYER,
        period=PERIOD,
        currency="EUR",
        currency_digits=digits,
        invoicing_model="pay_per_use",
        lines=tuple(lines),
        taxes=tuple(taxes),
        totals=Totals(
            lines=total_lines,
            credits_before_tax=before,
            net=net,
            tax=tax,
            total=net + tax,
            prepaid=prepaid,
            payable=net + tax - prepaid,
        ),
        books=(BookUsed("liceo-es", "2026-10-01.1", "ab" * 32),),
        number="LICEO-2026-000042",
        issue_date=date(2026, 11, 2),
        due_date=date(2026, 12, 2),
        reference="PO-7731",
        credits=tuple(credits),
    )
    return replace(made, **changes)


_WORKED = [
    ("message", "aura-groot", "mi-movistar", "", "184230", "0.0021"),
    ("nlpaas", "aura-gateway-api", "app-nlp", "", "52311", "0.0035"),
    ("ai", "aura-gateway-api", "app-rag", "rag", "9874", "0.0275"),
    ("ai", "aura-gateway-api", "app-gen", "generative", "30125", "0.0112"),
]


def worked_invoice(**changes) -> Invoice:
    """The worked invoice: Spain, October 2026, four lines, 1,178.91 net and 1,426.48 in total."""
    lines = [
        a_line(
            a_charge(
                quantity,
                price,
                sku=f"{service}/{component}",
                name=f"{component} {service}",
                sources=[Source(f"{app}-record", D(quantity), {"app": f'"{app}"'})],
                service=service,
                component=component,
                app=app,
                **({"preset": preset} if preset else {}),
            )
        )
        for service, component, app, preset, quantity, price in _WORKED
    ]
    return an_invoice(
        lines,
        **{
            "windows": _worked_windows(),
            "metadata": {"software": "meterhouse 0.1.0", "run": "R-17", "check: sums": "passed"},
        }
        | changes,
    )


def _worked_windows() -> tuple[Window, ...]:
    windows = []
    for _, component, app, _, quantity, _ in _WORKED:
        left = int(quantity)
        for day in range(31):
            share = left if day == 30 else int(quantity) * (20 + day * 7 % 13) // 850
            left -= share
            fields = {"component": f'"{component}"', "app": f'"{app}"'}
            windows.append(Window(date(2026, 10, 1) + timedelta(day), fields, D(share)))
    return tuple(windows)


def discounted_invoice(**changes) -> Invoice:
    """Tiers, discounts of lines and of the whole, a maximum, a true-up, both kinds of credit."""
    tiers = [
        ChargePart("0 to 1,000", D(1000), D("0.02"), D(0), D(20)),
        ChargePart("1,000 to 10,000", D(9000), D("0.015"), D(5), D(140)),
        ChargePart("above 10,000", D(2500), D("0.01"), D(0), D(25)),
    ]
    lines = [
        a_line(
            a_charge(
                "12345",
                "0.0137",
                reductions=[Reduction("Volume partner, 10 %", "discount", D("16.91"))],
                service="message",
                component="aura-groot",
                app="mi-movistar",
                brand="movistar",
                channel="whatsapp",
            ),
            shares=[Reduction("Autumn", "discount", D("2.22"))],
        ),
        a_line(
            a_charge(
                "12500",
                None,
                gross="185.00",
                parts=tiers,
                model="graduated",
                service="nlpaas",
                component="aura-gateway-api",
                app="app-nlp",
                reductions=[Reduction("Cap", "maximum", D("35.00"))],
            ),
            shares=[Reduction("Autumn", "discount", D("2.78"))],
        ),
        *[
            a_line(
                a_charge(
                    quantity,
                    price,
                    per="1000000",
                    sku="ai/tokens",
                    name="Tokens",
                    unit="token",
                    model="matrix",
                    service="ai",
                    component="atria-model-gateway",
                    app="app-gen",
                    model_name="",
                    token_type=kind,
                )
            )
            for kind, quantity, price in (
                ("input", "834567000", "2.50"),
                ("cached", "400000000", "1.25"),
                ("output", "98765000", "10.00"),
            )
        ],
        a_line(
            a_charge(
                "0",
                None,
                gross="154.30",
                kind=ChargeKind.TRUE_UP,
                sku="minimum-commitment/1",
                name="Minimum commitment",
                model="commitment",
                unit="",
            )
        ),
        a_line(
            a_charge(
                "0",
                None,
                gross="-12.00",
                kind=ChargeKind.ADJUSTMENT,
                sku="adjustment",
                name="Late usage of September",
                model="adjustment",
                unit="request",
            ),
            corrects="LICEO-2026-000031",
            author="j.perez",
            reason="Records that arrived after the period was closed",
        ),
    ]
    credits = [
        CreditUse("g1", "Welcome credit", D("50.00"), paid=False),
        CreditUse("g2", "Prepaid pack", D("200.00"), paid=True),
    ]
    return an_invoice(lines, **{"credits": credits} | changes)


def converted_invoice(**changes) -> Invoice:
    """Hours of which the meter counts seconds, a fee, a true-up, a line by hand, an exempt line."""
    hours = a_charge("24", "1.111", unit="hour", sku="compute", name="Compute", region="eu-west")
    fee_part = ChargePart("flat", D(0), None, D("49.90"), D("49.90"))
    due, billed = (D("1500.00"), D("-966.47"))
    lines = [
        a_line(replace(hours, quantity=D(86399), metered_unit="second")),
        a_line(
            a_charge(
                "0",
                None,
                gross="49.90",
                kind=ChargeKind.FEE,
                sku="base",
                name="Base fee",
                model="flat",
                unit="",
                parts=[fee_part],
            )
        ),
        a_line(
            a_charge(
                "0",
                None,
                gross="533.53",
                kind=ChargeKind.TRUE_UP,
                sku="minimum-commitment/1",
                name="Minimum of October",
                model="commitment",
                unit="",
                parts=[
                    ChargePart("minimum", D(1), None, due, due),
                    ChargePart("charged already", D(1), None, billed, billed),
                ],
            )
        ),
        a_line(
            a_charge(
                "1",
                None,
                gross="-25.00",
                kind=ChargeKind.ADJUSTMENT,
                sku="by-hand",
                name="Goodwill",
                model="by-hand",
                unit="",
            ),
            author="root",
            reason="Outage of 3 October",
        ),
        a_line(
            a_charge(
                "-10",
                "1.15",
                kind=ChargeKind.ADJUSTMENT,
                name="Late calls",
                reductions=[Reduction("Loyalty", "discount", D("-1.15"))],
            ),
            corrects="LICEO-2026-000031",
        ),
        a_line(
            a_charge("2", "50", unit="course", sku="edu", name="Training"), category="E", rate="0"
        ),
    ]
    credit = CreditUse("4f1c7e1e-6c1b-4f0e-9b1a-3d5d0f6a2f10", "Welcome credit", D(20), paid=False)
    made = {"reasons": {"E": "Education"}, "credits": [credit]}
    return an_invoice(lines, **made | changes)
