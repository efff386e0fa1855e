"""The plain table of columns: as wide as the terminal where there is room, aligned, nothing lost without a word."""

from __future__ import annotations

import pytest

from trainwright.report.columns import MOST, column_lines


def described(name: str, why: str = "12 distinct words in 300 cells") -> dict[str, object]:
    return {"name": name, "kind": "category", "role": "feature", "missing": 1234, "why": why, "note": "", "flag": f"--kind {name}=text"}


@pytest.mark.parametrize("width", [110, 120, 160])
def test_lines_fit_the_width(width: int) -> None:
    lines = column_lines([described("city", "a long reason " * 20), described("a_rather_long_name")], width=width)
    assert max(map(len, lines)) <= width
    assert "1,234" in lines[2]
    assert all("--kind" in line for line in lines[2:])


def test_a_narrow_terminal_still_gets_a_reason_and_the_flag() -> None:
    lines = column_lines([described("city", "a long reason " * 20)], width=20)
    assert "a long reason" in lines[2]
    assert lines[2].endswith("--kind city=text")


def test_more_columns_than_fit_are_counted() -> None:
    lines = column_lines([described(f"c{index}") for index in range(MOST + 5)])
    assert len(lines) == MOST + 3
    assert lines[-1].startswith("… and 5 more columns")
    assert len(column_lines([])) == 2
