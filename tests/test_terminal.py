"""What is shown while something runs."""

import io
import re

import pytest
from rich.console import Console

from traitleak.terminal import print_line, print_table, track_for


def console(*, terminal: bool = False, quiet: bool = False) -> Console:
    """A console that writes into its own buffer, 60 columns wide."""
    return Console(
        file=io.StringIO(), force_terminal=terminal, quiet=quiet, width=60, color_system=None
    )


def shown(of: Console) -> str:
    """All that was written so far."""
    return of.file.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("quiet", [False, True])
def test_every_item_comes_through_in_order(terminal, quiet):
    """Progress changes nothing in what is iterated, nested or not."""
    to = console(terminal=terminal, quiet=quiet)
    with track_for(to) as track:
        seen = [(a, b) for a in track("ab", "outer", 2) for b in track(range(3), "inner", 3)]
    assert seen == [(a, b) for a in "ab" for b in range(3)]


def test_without_a_terminal_there_is_a_line_at_the_end_of_each_work():
    """A log gets one line a piece of work when nothing takes long."""
    to = console()
    with track_for(to) as track:
        list(track(range(7), "teachers", 7))
    assert re.fullmatch(r"teachers: 7 of 7 in \d\.\d s\n", shown(to))


def test_without_a_terminal_lines_come_no_faster_than_asked():
    """With no wait between lines each item but the last has one; with a long wait none has."""
    for every, lines in ((0.0, 4), (1e9, 1)):
        to = console()
        with track_for(to, every=every) as track:
            list(track(range(4), "students", 4))
        assert len(shown(to).splitlines()) == lines


def test_a_quiet_console_shows_nothing():
    """--quiet and --json mean silence."""
    to = console(quiet=True)
    with track_for(to) as track:
        list(track(range(4), "students", 4))
        print_line(to, "a line")
    assert shown(to) == ""


def test_a_terminal_has_a_bar_that_goes_away():
    """The bar names the work while it lasts; an interrupt leaves the cursor visible."""
    to = console(terminal=True)

    def interrupted() -> None:
        with track_for(to) as track:
            for item in track(range(4), "[students]", 4):
                if item == 2:
                    to.print("half-way")
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    text = shown(to)
    assert "[students]" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_lines_are_printed_as_they_are():
    """Square brackets are no markup, and a log's lines are not broken."""
    to = console()
    line = "Error: mine.yaml:3: hidden[1] must be [bold] " + "x" * 80
    print_line(to, line)
    assert shown(to) == line + "\n"


def test_tables_cut_nothing_off():
    """A cell that is too long goes on in the next line, be it words or one long word."""
    to = console()
    long_word = "x" * 70
    print_table(to, ["a", "b"], [["some words and more words", long_word], ["[bold]", "-"]])
    text = shown(to)
    assert text.count("x") == 70
    assert "[bold]" in text
    assert all(len(line) <= 60 for line in text.splitlines())
