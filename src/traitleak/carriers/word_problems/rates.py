"""Word problems about speed, work, flow, fuel and other things that go at a rate."""

from __future__ import annotations

from traitleak.carriers.word_problems.drawing import Draws, Schema, Worked

__all__ = ["RATES"]

# Hours that two need alone, such that together they need a whole number of hours.
_TOGETHER = (
    (3, 6), (4, 12), (6, 12), (6, 30), (8, 24), (9, 18), (10, 15), (10, 40), (12, 24), (12, 36),
    (12, 60), (14, 35), (15, 30), (18, 36), (20, 30), (20, 60), (21, 42), (24, 48), (30, 60), (30, 45),
)  # fmt: skip


def _two_legs(d: Draws) -> Worked:
    who, v1, t1, v2, t2 = (
        d.person(), d.number(30, 110, 5), d.number(2, 6), d.number(30, 110, 5), d.number(2, 6),
    )  # fmt: skip
    return Worked(
        f"{who} drives for {t1} hours at {v1} kilometers an hour and, after a rest, for {t2} hours at "
        f"{v2} kilometers an hour. How many kilometers is the whole trip?",
        (
            f"Before the rest it is {v1} * {t1} = {v1 * t1} kilometers.",
            f"After the rest it is {v2} * {t2} = {v2 * t2} kilometers.",
            f"The whole trip is {v1 * t1} + {v2 * t2} = {v1 * t1 + v2 * t2} kilometers.",
        ),
        v1 * t1 + v2 * t2,
    )


def _there_and_back(d: Draws) -> Worked:
    who, slow, times, back = d.person(), d.number(8, 22), d.number(2, 4), d.number(1, 3)
    fast, there = slow * times, times * back
    way = fast * back
    return Worked(
        f"{who} cycles {way} kilometers to the coast at {slow} kilometers an hour, and comes back the "
        f"same way by bus at {fast} kilometers an hour. How many hours is {who} under way in all?",
        (
            f"The way there takes {way} / {slow} = {there} hours.",
            f"The way back takes {way} / {fast} = {back} hours.",
            f"In all that is {there} + {back} = {there + back} hours.",
        ),
        there + back,
    )


def _meeting(d: Draws) -> Worked:
    (one, other), v, w, hours = d.people(), d.number(12, 40), d.number(12, 40), d.number(2, 9)
    way = (v + w) * hours
    return Worked(
        f"{one} and {other} live {way} kilometers apart and set out towards each other at the same "
        f"time, {one} at {v} and {other} at {w} kilometers an hour. How many kilometers has {one} "
        "covered when they meet?",
        (
            f"Together they cover {v} + {w} = {v + w} kilometers an hour.",
            f"They meet after {way} / {v + w} = {hours} hours.",
            f"By then {one} has covered {v} * {hours} = {v * hours} kilometers.",
        ),
        v * hours,
    )


def _catching_up(d: Draws) -> Worked:
    (one, other), gain, hours, start = d.people(), d.number(2, 12), d.number(2, 10), d.number(1, 5)
    # The lead must be a whole number of hours of the slower one.
    slow = gain * hours
    fast = slow + gain * start
    lead = slow * start
    return Worked(
        f"{one} sets out at {slow} kilometers an hour. {start} "
        f"{'hours' if start > 1 else 'hour'} later {other} follows on the same road at {fast} "
        f"kilometers an hour. After how many hours does {other} catch up with {one}?",
        (
            f"The lead is {slow} * {start} = {lead} kilometers.",
            f"Each hour it shrinks by {fast} - {slow} = {fast - slow} kilometers.",
            f"It is gone after {lead} / {fast - slow} = {hours} hours.",
        ),
        hours,
    )


def _together(d: Draws) -> Worked:
    (one, other), (a, b) = d.people(), d.pick(_TOGETHER)
    job = d.pick(("paint a hall", "dig a ditch", "sort the archive", "lay a floor", "clean a ship"))
    count = d.number(1, 6)
    hours = a * b // (a + b)
    times = "" if count == 1 else f" {count} times over"
    steps: tuple[str, ...] = (
        f"In an hour they do 1 / {a} + 1 / {b} = 1/{hours} of the job.",
        f"They do the job once in 1 / (1/{hours}) = {hours} hours.",
    )
    if count > 1:
        steps = (*steps, f"For all of it they take {count} * {hours} = {count * hours} hours.")
    return Worked(
        f"{one} needs {a} hours to {job}, and {other} needs {b} hours for the same job. How many hours "
        f"do they need if they do it together{times}?",
        steps,
        count * hours,
    )


def _workers(d: Draws) -> Worked:
    what = d.pick(("a bridge", "a stage", "a wall", "a garage", "a boat shed", "a ramp"))
    others, days, factor = d.number(2, 12), d.number(3, 20), d.number(2, 5)
    workers = others * factor
    return Worked(
        f"{workers} workers build {what} in {days} days. How many days do {others} workers need for "
        "it if all work equally fast?",
        (
            f"The job is {workers} * {days} = {workers * days} days of work for one.",
            f"{others} workers need {workers * days} / {others} = {factor * days} days.",
        ),
        factor * days,
    )


def _machines(d: Draws) -> Worked:
    things, machines, rate = d.things(), d.number(2, 8), d.number(3, 20)
    hours, size = d.number(2, 8), d.pick((4, 5, 6, 10, 12, 15, 20))
    minute = machines * rate
    total = minute * 60 * hours
    return Worked(
        f"A factory has {machines} machines, each of which makes {rate} {things} a minute. They are "
        f"packed in boxes of {size}. How many boxes are filled in {hours} hours?",
        (
            f"Each minute {machines} * {rate} = {minute} {things} are made.",
            f"Each hour it is {minute} * 60 = {minute * 60}.",
            f"In that time it is {minute * 60} * {hours} = {total}.",
            f"They fill {total} / {size} = {total // size} boxes.",
        ),
        total // size,
    )


def _pool(d: Draws) -> Worked:
    out, gain, minutes, there = (
        d.number(2, 15), d.number(3, 25), d.number(5, 60), d.number(10, 300, 10),
    )  # fmt: skip
    into, volume = out + gain, gain * minutes + there
    return Worked(
        f"A pool for {volume} liters already holds {there} liters. {into} liters a minute run in, and "
        f"{out} liters a minute are lost through a crack. After how many minutes is the pool full?",
        (
            f"There is room for {volume} - {there} = {volume - there} liters.",
            f"Each minute {into} - {out} = {gain} liters are gained.",
            f"The pool is full after {volume - there} / {gain} = {minutes} minutes.",
        ),
        minutes,
    )


def _fuel(d: Draws) -> Worked:
    who, money, use, hundreds, price = (
        d.person(), d.money(), d.number(4, 12), d.number(2, 15), d.number(2, 5),
    )  # fmt: skip
    return Worked(
        f"A car takes {use} liters of fuel for 100 kilometers, and a liter costs {price} {money}. "
        f"{who} drives {100 * hundreds} kilometers. How many {money} does the fuel cost?",
        (
            f"The trip has {100 * hundreds} / 100 = {hundreds} times a hundred kilometers.",
            f"It takes {hundreds} * {use} = {hundreds * use} liters.",
            f"They cost {hundreds * use} * {price} = {hundreds * use * price} {money}.",
        ),
        hundreds * use * price,
    )


def _map(d: Draws) -> Worked:
    who, a, b, hours = d.person(), d.number(2, 15), d.number(2, 15), d.number(2, 6)
    scale = hours * d.number(2, 8)
    way = (a + b) * scale
    return Worked(
        f"On a map a centimeter stands for {scale} kilometers. {who} follows a road that is {a} "
        f"centimeters long on it and then another one of {b} centimeters, and takes {hours} hours for "
        "both. How many kilometers is that an hour?",
        (
            f"On the map it is {a} + {b} = {a + b} centimeters.",
            f"The way is {a + b} * {scale} = {way} kilometers.",
            f"An hour's part is {way} / {hours} = {way // hours} kilometers.",
        ),
        way // hours,
    )


def _typing(d: Draws) -> Worked:
    who, speed, minutes, pause = d.person(), d.number(25, 90), d.number(6, 50), d.number(3, 20)
    return Worked(
        f"{who} types {speed} words a minute and has a text of {speed * minutes} words to type, with "
        f"a pause of {pause} minutes in the middle. After how many minutes is the text finished?",
        (
            f"Typing takes {speed * minutes} / {speed} = {minutes} minutes.",
            f"With the pause it takes {minutes} + {pause} = {minutes + pause} minutes.",
        ),
        minutes + pause,
    )


def _queue(d: Draws) -> Worked:
    desks, each, rounds, break_ = d.number(2, 6), d.number(3, 12), d.number(3, 15), d.number(5, 25)
    people = desks * rounds
    return Worked(
        f"{people} people wait at an office with {desks} desks. A desk takes {each} minutes for each "
        f"of them, and all desks close together for {break_} minutes once. After how many minutes "
        "has everybody been served?",
        (
            f"Each desk serves {people} / {desks} = {rounds} people.",
            f"That takes {rounds} * {each} = {rounds * each} minutes.",
            f"With the break it takes {rounds * each} + {break_} = {rounds * each + break_} minutes.",
        ),
        rounds * each + break_,
    )


RATES: tuple[Schema, ...] = (
    _two_legs,
    _there_and_back,
    _meeting,
    _catching_up,
    _together,
    _workers,
    _machines,
    _pool,
    _fuel,
    _map,
    _typing,
    _queue,
)
"""Speed, work, flow, fuel and other rates."""
