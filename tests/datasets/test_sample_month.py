"""The made-up month: the same by one seed, and flawed as real logs are."""

from datetime import date

from meterhouse.datasets.gateway_log import read_gateway_log
from meterhouse.datasets.groot_log import read_groot_log
from meterhouse.datasets.sample_configuration import sample_ob
from meterhouse.datasets.sample_month import Rates, SampleMonth, foreign_file, sample_logs

MONTH = SampleMonth(2026, 10, 600, seed=7)
READERS = {"groot": read_groot_log, "gateway": read_gateway_log}


def files(month=MONTH, ob="ES"):
    return list(sample_logs(month, sample_ob(ob)))


def rows_of(sample_files):
    for file in sample_files:
        if (reader := READERS.get(file.name.split("/")[0])) is not None:
            yield from reader(file.lines, country="ESP")


def test_one_seed_gives_the_same_files_and_another_does_not():
    assert files() == files()
    assert files() != files(SampleMonth(2026, 10, 600, seed=8))


def test_each_ob_has_its_own():
    assert files() != files(ob="BR")


def test_without_flaws_each_request_is_read_and_none_rejected():
    month = SampleMonth(2026, 10, 400, rates=Rates(0, 0, 0, 0, 0, 0, 0))
    found = list(rows_of(files(month)))
    requests = [
        row
        for row in found
        if getattr(row, "action", None) == "receive"
        or getattr(row, "component", None) == "aura-gateway-api"
    ]
    assert len(requests) == 400


def test_late_rows_lie_in_files_of_later_days_and_none_is_before_its_day():
    month = SampleMonth(2026, 10, 400, rates=Rates(0, 0, 0, 0, 5_000, 0, 0))
    named = {file.name.rsplit("_", 1)[1][:8] for file in files(month)}
    assert max(named) > "20261031"
    assert month.days[-1] == date(2026, 10, 31)


def test_the_rows_of_the_foreign_file_are_of_another_country():
    rows = list(read_gateway_log(foreign_file(MONTH, sample_ob("ES")).lines, country="ESP"))
    assert {row.reason.value for row in rows} == {"country_other"}
