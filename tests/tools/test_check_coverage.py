import json

from tools.check_coverage import main, shortfalls

CORE = "src/meterhouse/core/period.py"


def _report(percent=95.0, **files):
    empty = {"missing_lines": [], "missing_branches": []}
    return {
        "totals": {"percent_covered": percent},
        "files": {path: {**empty, **file} for path, file in files.items()},
    }


def test_a_low_total_is_a_shortfall():
    assert list(shortfalls(_report(89.99))) == ["overall: 89.99 % covered, at least 90 %"]


def test_core_must_be_covered_whole():
    report = _report(**{CORE: {"missing_lines": [7], "missing_branches": [[9, 12], [9, -1]]}})

    assert list(shortfalls(report)) == [
        f"{CORE}:7: not run by any test",
        f"{CORE}:9: the branch to line 12 is not taken by any test",
        f"{CORE}:9: the branch to the exit is not taken by any test",
    ]


def test_other_rooms_count_in_the_total_only():
    assert list(shortfalls(_report(**{"src/meterhouse/cli/run.py": {"missing_lines": [7]}}))) == []


def test_the_exit_status_says_whether_it_is_enough(tmp_path, capsys):
    file = tmp_path / "report.json"
    file.write_text(json.dumps(_report(50.0)))
    assert main([str(file)]) == 1
    assert "1 shortfalls" in capsys.readouterr().out

    file.write_text(json.dumps(_report()))
    assert main([str(file)]) == 0
