import hashlib
import json
import os
import subprocess
import sys
from decimal import Decimal

import pytest

from meterhouse.core.invoice_text import invoice_text, read_invoice
from meterhouse.core.problem import NotFoundError
from meterhouse.documents import FORMATS, format_named
from tests.documents.samples import discounted_invoice, worked_invoice

_HASHES = """
import hashlib, json, sys, time
from pathlib import Path
from meterhouse.core.invoice_text import read_invoice
from meterhouse.documents import FORMATS
time.sleep(float(sys.argv[2]))
made = {}
for path in sorted(Path(sys.argv[1]).glob("*.json")):
    invoice = read_invoice(path.read_bytes())
    for name, form in FORMATS.items():
        rendered = form.render(invoice, detail=True)
        made[f"{path.stem}.{name}"] = hashlib.sha256(rendered).hexdigest()
print(json.dumps(made))
"""


def test_all_formats_are_there_by_name():
    assert list(FORMATS) == ["xlsx", "json", "csv", "focus", "pdf", "ubl", "cii", "facturx"]
    assert all(name == form.name for name, form in FORMATS.items())
    assert len({form.suffix for form in FORMATS.values()}) == len(FORMATS)


def test_an_unknown_format_is_answered_with_those_there_are():
    with pytest.raises(NotFoundError, match="Did you mean xlsx"):
        format_named("xls")


def test_listing_formats_imports_no_library():
    code = (
        "import sys, meterhouse.documents as d; list(d.FORMATS); "
        "heavy = {'xlsxwriter', 'typst', 'facturx', 'lxml', 'pypdf'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_json_is_the_stored_text():
    assert FORMATS["json"].render(worked_invoice()).decode() == invoice_text(worked_invoice())


def test_the_worked_invoice_as_json_keeps_all_digits():
    made = json.loads(FORMATS["json"].render(worked_invoice()))
    assert made["totals"] == {
        "lines": "1178.91",
        "creditsBeforeTax": "0.00",
        "net": "1178.91",
        "tax": "247.57",
        "total": "1426.48",
        "prepaid": "0.00",
        "payable": "1426.48",
    }
    assert made["lines"][2]["charge"]["exact"] == "271.535"


def test_the_same_invoice_gives_the_same_bytes_in_any_process(tmp_path):
    for extra in ("typst", "facturx"):
        pytest.importorskip(extra, reason=f"{extra} is not installed")
    for name, invoice in (("worked", worked_invoice()), ("discounted", discounted_invoice())):
        (tmp_path / f"{name}.json").write_text(invoice_text(invoice))
    here = {
        f"{name}.{form.name}": hashlib.sha256(form.render(invoice, detail=True)).hexdigest()
        for name, invoice in (("worked", worked_invoice()), ("discounted", discounted_invoice()))
        for form in FORMATS.values()
    }
    others = [("0", "UTC", "C"), ("12345", "Asia/Kathmandu", "de_DE.UTF-8")]
    for seed, zone, language in others:
        names = {"PYTHONHASHSEED": seed, "TZ": zone, "LANG": language, "LC_ALL": language}
        done = subprocess.run(
            [sys.executable, "-c", _HASHES, str(tmp_path), "1.1"],
            env=os.environ | names,
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        )
        assert json.loads(done.stdout) == here


@pytest.mark.parametrize("made", [worked_invoice, discounted_invoice])
def test_reading_the_json_gives_the_same_files(made):
    again = read_invoice(invoice_text(made()))
    for name in ("xlsx", "csv", "focus"):
        assert FORMATS[name].render(again) == FORMATS[name].render(made())


def test_the_sums_of_the_worked_invoice():
    totals = worked_invoice().totals
    assert (totals.net, totals.tax, totals.payable) == (
        Decimal("1178.91"),
        Decimal("247.57"),
        Decimal("1426.48"),
    )
