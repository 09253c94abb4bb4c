"""A list fits a terminal of any width, and a pipe gets every value whole."""

from datetime import timedelta

import pytest
from rich.cells import cell_len

from ringback.cli.listing import Fields, Record, lines_for_pipe, lines_for_terminal, to_age
from ringback.domain.durations import format_instant
from tests.factories import NOW

FIELDS = Fields(
    ["callback", "state", "title", "activity", "workflow", "attempt", "opened", "deadline"],
    minor=frozenset({"activity", "attempt"}),
)
NARROW = Fields(
    FIELDS.names, FIELDS.minor, narrow=["title", "workflow", "state", "opened", "deadline"]
)
CALLBACK = "cb_06h24rrvrsts3u90lggve7jkr4"
WORKFLOW = "call-service-ef8260da-2a17-471d-8901-84e89e9469ec"
TITLE = "Refund order 81"


def record(workflow: str = WORKFLOW, title: str = TITLE) -> Record:
    return {
        "callback": CALLBACK,
        "state": "open",
        "title": title,
        "activity": "charge",
        "workflow": workflow,
        "attempt": "1",
        "opened": NOW - timedelta(minutes=25),
        "deadline": NOW + timedelta(hours=23, minutes=5),
    }


def listed(width: int, *, fields: Fields = FIELDS, **record_fields: str) -> list[str]:
    return lines_for_terminal(fields, [record(**record_fields)], now=NOW, width=width)


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_list_shows_every_major_value_whole_at_each_width(width: int) -> None:
    shown = "\n".join(listed(width))

    for value in (CALLBACK, "open", TITLE, WORKFLOW):
        assert value in shown


def test_list_at_40_columns_has_a_few_lines_for_each_record() -> None:
    assert listed(40) == [
        f"{CALLBACK}  open",
        f"  title {TITLE}",
        f"  workflow {WORKFLOW}",
        "  opened 25 min ago",
        "  deadline in 23 h",
    ]


def test_list_at_80_columns_is_a_table_with_ages_if_it_fits() -> None:
    assert listed(80, workflow="order-81", title="Refund") == [
        "callback                       state  title   workflow  opened      deadline",
        f"{CALLBACK}  open   Refund  order-81  25 min ago  in 23 h",
    ]


def test_list_at_80_columns_with_long_names_cuts_none() -> None:
    assert listed(80) == listed(40)


def test_list_with_narrow_fields_at_80_columns_has_one_line_per_record() -> None:
    assert listed(80, fields=NARROW) == [
        "title            workflow                            state  opened      deadline",
        "Refund order 81  call-service-ef8260da-2a17-471d-8…  open   25 min ago  in 23 h",
    ]


@pytest.mark.parametrize("width", [60, 70, 80, 100])
def test_list_with_narrow_fields_fits_and_keeps_ten_columns_of_each_text(width: int) -> None:
    title = "返金" * 40

    header, row = listed(width, fields=NARROW, title=title)

    assert cell_len(header) <= width
    assert cell_len(row) <= width
    assert row.startswith("返金返金")
    assert "call-serv" in row


def test_list_at_120_columns_has_minor_fields_as_soon_as_they_fit() -> None:
    header, row = listed(120, workflow="order-81")

    assert header.split() == list(FIELDS.names)
    assert "charge" in row
    assert "25 min ago" in row


def test_list_at_200_columns_has_exact_times() -> None:
    _, row = listed(200)

    assert format_instant(NOW - timedelta(minutes=25)) in row
    assert "charge" in row


def test_list_aligns_wide_characters() -> None:
    records = [record(title="返金", workflow="a"), record(title="Refund", workflow="a")]

    _, first, second = lines_for_terminal(FIELDS, records, now=NOW, width=100)

    # Each of the two characters takes two columns.
    assert first.index("25 min") + 2 == second.index("25 min")


def test_pipe_gets_every_field_of_a_record_in_one_line() -> None:
    header, row = lines_for_pipe(FIELDS, [record(title="a\tb\nc")])

    assert header.split("\t") == list(FIELDS.names)
    values = row.split("\t")
    assert values[2] == "a\ufffdb\ufffdc"
    assert values[4] == WORKFLOW
    assert values[6] == format_instant(NOW - timedelta(minutes=25))


@pytest.mark.parametrize(
    ("distance", "shown"),
    [
        (timedelta(0), "0 s ago"),
        (timedelta(seconds=-59), "59 s ago"),
        (timedelta(minutes=-25, seconds=-59), "25 min ago"),
        (timedelta(hours=23, minutes=59), "in 23 h"),
        (timedelta(days=-400), "400 d ago"),
        (timedelta(seconds=1), "in 1 s"),
    ],
)
def test_age_is_in_its_largest_unit(distance: timedelta, shown: str) -> None:
    assert to_age(NOW + distance, NOW) == shown
