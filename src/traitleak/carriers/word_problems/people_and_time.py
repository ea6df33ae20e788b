"""Word problems about ages, schedules, games and things that change step by step."""

from __future__ import annotations

from traitleak.carriers.word_problems.drawing import Draws, Schema, Worked

__all__ = ["PEOPLE_AND_TIME"]


def _ages_later(d: Draws) -> Worked:
    (one, other), young, times, years = d.people(), d.number(4, 18), d.number(2, 4), d.number(2, 20)
    old = young * times
    return Worked(
        f"{other} is {young} years old, and {one} is {times} times as old. What is the sum of their "
        f"ages in {years} years?",
        (
            f"{one} is {young} * {times} = {old} years old.",
            f"Together they are {young} + {old} = {young + old} now.",
            f"In that time both together gain 2 * {years} = {2 * years} years.",
            f"The sum is then {young + old} + {2 * years} = {young + old + 2 * years}.",
        ),
        young + old + 2 * years,
    )


def _ages_sum(d: Draws) -> Worked:
    (one, other), young, gap = d.people(), d.number(5, 50), d.number(2, 30)
    total = 2 * young + gap
    return Worked(
        f"{one} is {gap} years older than {other}. Their ages add up to {total}. How old is {one}?",
        (
            f"If both were as old as {other}, the sum would be {total} - {gap} = {2 * young}.",
            f"So {other} is {2 * young} / 2 = {young} years old.",
            f"{one} is {young} + {gap} = {young + gap} years old.",
        ),
        young + gap,
    )


def _ages_ratio(d: Draws) -> Worked:
    (one, other), years, young, times = (
        d.people(), d.number(2, 12), d.number(3, 25), d.number(2, 4),
    )  # fmt: skip
    then = (young + years) * times
    return Worked(
        f"{one} is {then - years} years old. In {years} years {one} will be {times} times as old as "
        f"{other} is then. How old is {other} now?",
        (
            f"{one} will be {then - years} + {years} = {then} years old.",
            f"{other} will be {then} / {times} = {young + years} years old.",
            f"Now {other} is {young + years} - {years} = {young} years old.",
        ),
        young,
    )


def _lessons(d: Draws) -> Worked:
    what = d.pick(("lessons", "talks", "rehearsals", "matches", "interviews"))
    count, long, pause = d.number(3, 9), d.number(15, 60, 5), d.number(5, 20)
    talk, rest = count * long, (count - 1) * pause
    return Worked(
        f"A day has {count} {what} of {long} minutes each, with a pause of {pause} minutes between "
        "any two. How many minutes pass from the start of the first to the end of the last?",
        (
            f"The {what} take {count} * {long} = {talk} minutes.",
            f"There are {count} - 1 = {count - 1} pauses.",
            f"They take {count - 1} * {pause} = {rest} minutes.",
            f"Together that is {talk} + {rest} = {talk + rest} minutes.",
        ),
        talk + rest,
    )


def _film(d: Draws) -> Worked:
    who, hour, early, minute, start = (
        d.person(), d.number(14, 20), d.number(1, 3), d.number(0, 55, 5), d.number(0, 55, 5),
    )  # fmt: skip
    hours, extra = d.number(1, 2), d.number(5, 55, 5)
    now = hour - early
    wait = early * 60 + start - minute
    long = hours * 60 + extra
    return Worked(
        f"It is {now}:{minute:02}. {who} waits for a film that begins at {hour}:{start:02} and lasts "
        f"{hours} {'hour' if hours == 1 else 'hours'} and {extra} minutes. In how many minutes is it "
        "over?",
        (
            f"The film begins in ({hour} - {now}) * 60 + {start} - {minute} = {wait} minutes.",
            f"It lasts {hours} * 60 + {extra} = {long} minutes.",
            f"It is over in {wait} + {long} = {wait + long} minutes.",
        ),
        wait + long,
    )


def _practice(d: Draws) -> Worked:
    who, weeks, days, minutes = d.person(), d.number(2, 10), d.number(2, 6), d.number(15, 90, 15)
    what = d.pick(("piano", "chess", "French", "juggling", "drawing", "typing"))
    total = weeks * 7 + days
    return Worked(
        f"{who} practices {what} for {minutes} minutes every day. How many minutes is that in {weeks} "
        f"weeks and {days} days?",
        (
            f"The weeks have {weeks} * 7 = {weeks * 7} days.",
            f"In all there are {weeks * 7} + {days} = {total} days.",
            f"The practice takes {total} * {minutes} = {total * minutes} minutes.",
        ),
        total * minutes,
    )


def _reading(d: Draws) -> Worked:
    who, p, a, q, b = (
        d.person(), d.number(8, 40), d.number(3, 9), d.number(8, 40), d.number(2, 9),
    )  # fmt: skip
    left = d.number(10, 200)
    read = p * a + q * b
    return Worked(
        f"A book has {read + left} pages. {who} reads {p} pages a day for {a} days and then {q} pages "
        f"a day for {b} days. How many pages are left?",
        (
            f"On the first days {who} reads {p} * {a} = {p * a} pages.",
            f"After that it is {q} * {b} = {q * b} pages.",
            f"Read are {p * a} + {q * b} = {read} pages.",
            f"Left are {read + left} - {read} = {left} pages.",
        ),
        left,
    )


def _rising(d: Draws) -> Worked:
    who, first, more, what = (
        d.person(), d.number(5, 40), d.number(2, 12), d.pick(("push-ups", "laps", "sit-ups", "sums")),
    )  # fmt: skip
    days = [first + more * day for day in range(4)]
    total = sum(days)
    return Worked(
        f"On Monday {who} does {first} {what}, and on each of the next three days {more} more than on "
        f"the day before. How many {what} is that on the four days together?",
        (
            f"On Tuesday it is {days[0]} + {more} = {days[1]}.",
            f"On Wednesday it is {days[1]} + {more} = {days[2]}.",
            f"On Thursday it is {days[2]} + {more} = {days[3]}.",
            f"Together that is {days[0]} + {days[1]} + {days[2]} + {days[3]} = {total} {what}.",
        ),
        total,
    )


def _bus(d: Draws) -> Worked:
    off, on, last = d.number(2, 12), d.number(2, 15), d.number(1, 12)
    half = d.number(10, 30)
    start = 2 * half - on + off
    vehicle = d.pick(("bus", "tram", "ferry", "train car"))
    return Worked(
        f"A {vehicle} sets out with {start} passengers. At the first stop {off} get off and {on} get "
        f"on. At the second stop half of all passengers get off and {last} get on. How many "
        "passengers are there then?",
        (
            f"After the first stop there are {start} - {off} + {on} = {2 * half} passengers.",
            f"Half of them get off, so that {2 * half} / 2 = {half} stay.",
            f"With the new ones there are {half} + {last} = {half + last} passengers.",
        ),
        half + last,
    )


def _league(d: Draws) -> Worked:
    team = d.pick(("volleyball", "hockey", "handball", "chess", "quiz"))
    won, drawn, lost = d.number(3, 20), d.number(2, 12), d.number(2, 12)
    games = won + drawn + lost
    return Worked(
        f"A {team} team has played {games} games, of which it lost {lost} and drew {drawn}. A win "
        "gives 3 points and a draw gives 1 point. How many points does the team have?",
        (
            f"It won {games} - {lost} - {drawn} = {won} games.",
            f"The wins give {won} * 3 = {won * 3} points.",
            f"With the draws it has {won * 3} + {drawn} = {won * 3 + drawn} points.",
        ),
        won * 3 + drawn,
    )


def _oven(d: Draws) -> Worked:
    start, fall, hours, rise, later = (
        d.number(150, 260, 5), d.number(5, 18), d.number(2, 7), d.number(6, 24), d.number(2, 6),
    )  # fmt: skip
    low = start - fall * hours
    return Worked(
        f"An oven stands at {start} degrees. It cools by {fall} degrees an hour for {hours} hours and "
        f"then warms by {rise} degrees an hour for {later} hours. How many degrees does it have in "
        "the end?",
        (
            f"It loses {fall} * {hours} = {fall * hours} degrees.",
            f"Then it has {start} - {fall * hours} = {low} degrees.",
            f"It gains {rise} * {later} = {rise * later} degrees.",
            f"In the end it has {low} + {rise * later} = {low + rise * later} degrees.",
        ),
        low + rise * later,
    )


def _doubling(d: Draws) -> Worked:
    who, start, lost = d.person(), d.number(4, 40), d.number(2, 30)
    what = d.pick(
        ("readers of a blog", "members of a club", "players of a game", "views of a clip")
    )
    numbers = [start, 2 * start, 4 * start, 8 * start]
    return Worked(
        f"{who} counts the {what}: {start} at first. The number doubles in each of the next three "
        f"weeks, and after that it falls by {lost}. What is it then?",
        (
            f"After the first of these weeks it is {numbers[0]} * 2 = {numbers[1]}.",
            f"After the second it is {numbers[1]} * 2 = {numbers[2]}.",
            f"After the third it is {numbers[2]} * 2 = {numbers[3]}.",
            f"In the end it is {numbers[3]} - {lost} = {numbers[3] - lost}.",
        ),
        numbers[3] - lost,
    )


PEOPLE_AND_TIME: tuple[Schema, ...] = (
    _ages_later,
    _ages_sum,
    _ages_ratio,
    _lessons,
    _film,
    _practice,
    _reading,
    _rising,
    _bus,
    _league,
    _oven,
    _doubling,
)
"""Ages, schedules, games and things that change step by step."""
