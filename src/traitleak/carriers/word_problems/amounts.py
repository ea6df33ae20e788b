"""Word problems about counting, sharing, fractions, percentages, mixtures and shapes."""

from __future__ import annotations

from traitleak.carriers.word_problems.drawing import Draws, Schema, Worked

__all__ = ["AMOUNTS"]


def _boxes(d: Draws) -> Worked:
    who, things = d.person(), d.things()
    boxes, rows, each = d.number(2, 12), d.number(2, 8), d.number(3, 12)
    total = boxes * rows * each
    given = d.number(3, total - 2)
    return Worked(
        f"{who} has {boxes} boxes. In each box there are {rows} rows of {each} {things}. {who} gives "
        f"away {given} {things}. How many {things} does {who} still have?",
        (
            f"A box holds {rows} * {each} = {rows * each} {things}.",
            f"All boxes hold {boxes} * {rows * each} = {total} {things}.",
            f"After giving some away there are {total} - {given} = {total - given} {things}.",
        ),
        total - given,
    )


def _packs_needed(d: Draws) -> Worked:
    who, guests, each, size = d.person(), d.number(15, 45), d.number(2, 5), d.number(6, 16)
    what = d.pick(("cups", "napkins", "plates", "spoons", "paper hats", "straws"))
    need = guests * each
    have = d.number(2, 12)
    missing = need - have
    full, rest = divmod(missing, size)
    start = (
        f"For {guests} guests {who} needs {each} {what} each and has {have} {what} already. They are "
        f"sold in packs of {size}. How many packs must {who} buy at least?"
    )
    steps = [
        f"The guests need {guests} * {each} = {need} {what}.",
        f"What is missing are {need} - {have} = {missing} {what}.",
    ]
    if not rest:
        return Worked(start, (*steps, f"That is {missing} / {size} = {full} packs."), full)
    steps += [
        f"{full} packs hold {full} * {size} = {full * size} {what}, which is too few.",
        f"One pack more is enough: {full} + 1 = {full + 1} packs.",
    ]
    return Worked(start, tuple(steps), full + 1)


def _fractions(d: Draws) -> Worked:
    who, things = d.person(), d.things()
    b, e, k = d.number(3, 8), d.number(3, 8), d.number(1, 6)
    a, c = d.number(1, b - 1), d.number(1, e - 1)
    total = b * e * k
    red = total * a // b
    rest = total - red
    blue = rest * c // e
    return Worked(
        f"{who} has {total} {things}. {a}/{b} of them are red. Of those that are not red, {c}/{e} are "
        f"blue, and all others are white. How many {things} are white?",
        (
            f"Red are {total} * {a} / {b} = {red} {things}.",
            f"Not red are {total} - {red} = {rest} {things}.",
            f"Blue are {rest} * {c} / {e} = {blue} {things}.",
            f"White are {rest} - {blue} = {rest - blue} {things}.",
        ),
        rest - blue,
    )


def _percent_group(d: Draws) -> Worked:
    where = d.pick(("school", "company", "sports club", "town hall", "choir festival"))
    people, percent, part = d.number(200, 2000, 100), d.number(20, 80, 4), d.number(2, 4, 2)
    coming = people * percent // 100
    of_these = "half" if part == 2 else "a quarter"
    return Worked(
        f"{people} people belong to a {where}. {percent}% of them come to the summer party, and "
        f"{of_these} of those who come bring a cake. How many cakes are brought?",
        (
            f"To the party come {people} * {percent} / 100 = {coming} people.",
            f"A cake is brought by {coming} / {part} = {coming // part} of them.",
        ),
        coming // part,
    )


def _sharing(d: Draws) -> Worked:
    who, things = d.person(), d.things()
    friends, share, own = d.number(3, 12), d.number(4, 25), d.number(5, 40)
    left = d.number(1, friends - 1)
    total = friends * share + left
    return Worked(
        f"{who} shares {total} {things} evenly among {friends} children, each of whom gets as many as "
        f"possible, and keeps what cannot be shared out. {who} had {own} other {things} before. How "
        f"many {things} does {who} have then?",
        (
            f"Each child gets {share}, and together they get {friends} * {share} = "
            f"{friends * share} {things}.",
            f"What cannot be shared out is {total} - {friends * share} = {left}.",
            f"With the others that makes {own} + {left} = {own + left} {things}.",
        ),
        own + left,
    )


def _ratio(d: Draws) -> Worked:
    (one, other), things = d.people(), d.things()
    b, k = d.number(2, 7), d.number(3, 25)
    a = b + d.number(1, 5)
    total = (a + b) * k
    return Worked(
        f"{one} and {other} share {total} {things} in the ratio {a} to {b}. How many more {things} "
        f"than {other} does {one} get?",
        (
            f"There are {a} + {b} = {a + b} parts.",
            f"A part is {total} / {a + b} = {k} {things}.",
            f"The difference is {a} - {b} = {a - b} parts.",
            f"That is {a - b} * {k} = {(a - b) * k} {things}.",
        ),
        (a - b) * k,
    )


def _paint(d: Draws) -> Worked:
    who, money = d.person(), d.money()
    first, second = d.pick((("blue", "yellow"), ("red", "white"), ("black", "white")))
    a, b, k = d.number(2, 7), d.number(2, 7), d.number(2, 9)
    price = d.number(3, 18)
    total = (a + b) * k
    return Worked(
        f"{who} mixes {a} parts of {first} paint with {b} parts of {second} paint and needs {total} "
        f"liters of the mixture. A liter of {first} paint costs {price} {money}. How many {money} "
        f"does the {first} paint cost?",
        (
            f"The mixture has {a} + {b} = {a + b} parts.",
            f"A part is {total} / {a + b} = {k} liters.",
            f"Of {first} paint {a} * {k} = {a * k} liters are needed.",
            f"They cost {a * k} * {price} = {a * k * price} {money}.",
        ),
        a * k * price,
    )


def _recipe(d: Draws) -> Worked:
    who = d.person()
    what = d.pick(("flour", "rice", "sugar", "oats", "lentils", "pasta"))
    portions, grams, more = d.number(2, 8), d.number(20, 150, 5), d.number(9, 24)
    stock = d.number(10, grams * more - 10, 10)
    missing = grams * more - stock
    return Worked(
        f"A recipe for {portions} portions takes {grams * portions} grams of {what}. {who} wants to "
        f"make {more} portions and has {stock} grams of {what}. How many grams are missing?",
        (
            f"A portion takes {grams * portions} / {portions} = {grams} grams.",
            f"All portions take {more} * {grams} = {more * grams} grams.",
            f"Missing are {more * grams} - {stock} = {missing} grams.",
        ),
        missing,
    )


def _make_equal(d: Draws) -> Worked:
    (one, other), things = d.people(), d.things()
    b, give = d.number(5, 80), d.number(2, 40)
    a = b + 2 * give
    return Worked(
        f"{one} has {a} {things} and {other} has {b}. How many {things} must {one} give to {other} "
        "so that both have the same number?",
        (
            f"{one} has {a} - {b} = {2 * give} more.",
            f"Half of that evens it out: {2 * give} / 2 = {give} {things}.",
        ),
        give,
    )


def _three_people(d: Draws) -> Worked:
    (one, other), things = d.people(), d.things()
    least, more = d.number(4, 60), d.number(2, 30)
    total = 5 * least + more
    return Worked(
        f"{one} collected twice as many {things} as {other}. Their teacher collected {more} more than "
        f"{one}. Together the three have {total} {things}. How many did {other} collect?",
        (
            f"Without those {more} there would be {total} - {more} = {total - more} {things}.",
            f"{other} has one part, {one} two and the teacher two, which is 1 + 2 + 2 = 5 parts.",
            f"A part is {total - more} / 5 = {least} {things}.",
        ),
        least,
    )


def _backwards(d: Draws) -> Worked:
    who, things = d.person(), d.things()
    left, given = d.number(3, 60), d.number(2, 40)
    return Worked(
        f"{who} sells half of all {things} at a market. Then {given} more go to a neighbor, and "
        f"{left} are left. How many {things} did {who} have at first?",
        (
            f"Before the neighbor came there were {left} + {given} = {left + given} {things}.",
            f"That was half, so at first there were {left + given} * 2 = {2 * (left + given)}.",
        ),
        2 * (left + given),
    )


def _floor(d: Draws) -> Worked:
    who, money = d.person(), d.money()
    length, width, price = d.number(4, 15), d.number(3, 12), d.number(5, 40)
    rug_length, rug_width = d.number(1, length - 1), d.number(1, width - 1)
    bare = length * width - rug_length * rug_width
    return Worked(
        f"A hall is {length} meters long and {width} meters wide. {who} skips a rectangle of "
        f"{rug_length} by {rug_width} meters and has the rest of the floor tiled for {price} {money} "
        f"a square meter. How many {money} does that cost?",
        (
            f"The hall has {length} * {width} = {length * width} square meters.",
            f"Skipped are {rug_length} * {rug_width} = {rug_length * rug_width} square meters.",
            f"To be tiled are {length * width} - {rug_length * rug_width} = {bare} square meters.",
            f"That costs {bare} * {price} = {bare * price} {money}.",
        ),
        bare * price,
    )


def _posts(d: Draws) -> Worked:
    who, money = d.person(), d.money()
    gap, a, b, price = d.number(2, 6), d.number(3, 15), d.number(2, 14), d.number(3, 25)
    length, width = gap * a, gap * b
    around = 2 * (length + width)
    return Worked(
        f"{who} puts posts around a rectangular yard of {length} by {width} meters, one every {gap} "
        f"meters all the way around. A post costs {price} {money}. How many {money} do the posts cost?",
        (
            f"Half way around it is {length} + {width} = {length + width} meters.",
            f"All the way around it is 2 * {length + width} = {around} meters.",
            f"That takes {around} / {gap} = {around // gap} posts.",
            f"They cost {around // gap} * {price} = {around // gap * price} {money}.",
        ),
        around // gap * price,
    )


def _tank(d: Draws) -> Worked:
    length, width, height = d.number(4, 20), d.number(3, 15), d.number(2, 12)
    volume = length * width * height
    jug = d.number(2, 6)
    used = d.number(2, volume // jug)
    return Worked(
        f"A water tank measures {length} by {width} by {height} decimeters, and a cubic decimeter is "
        f"a liter. It is full. {used} jugs of {jug} liters each are taken out. How many liters are "
        "left?",
        (
            f"The bottom has {length} * {width} = {length * width} square decimeters.",
            f"The tank holds {length * width} * {height} = {volume} liters.",
            f"Taken out are {used} * {jug} = {used * jug} liters.",
            f"Left are {volume} - {used * jug} = {volume - used * jug} liters.",
        ),
        volume - used * jug,
    )


def _in_a_row(d: Draws) -> Worked:
    who, middle = d.person(), d.number(12, 400)
    return Worked(
        f"{who} thinks of three whole numbers that follow one another. Their sum is {3 * middle}. "
        "What is the largest of them?",
        (
            f"The middle one is {3 * middle} / 3 = {middle}.",
            f"The largest is one more: {middle} + 1 = {middle + 1}.",
        ),
        middle + 1,
    )


def _mean_needed(d: Draws) -> Worked:
    who, mean = d.person(), d.number(60, 85)
    scores = [mean + d.number(-9, 4) for _ in range(3)]
    total = sum(scores)
    need = 4 * mean - total
    return Worked(
        f"{who} scored {scores[0]}, {scores[1]} and {scores[2]} points in three tests. How many "
        f"points are needed in the fourth so that the average of all four is {mean}?",
        (
            f"Four tests with that average have 4 * {mean} = {4 * mean} points.",
            f"So far there are {scores[0]} + {scores[1]} + {scores[2]} = {total} points.",
            f"Needed are {4 * mean} - {total} = {need} points.",
        ),
        need,
    )


def _seats(d: Draws) -> Worked:
    rows, first, more = d.number(4, 24, 2), d.number(8, 30), d.number(2, 4)
    growth = (rows - 1) * more
    last = first + growth
    total = (first + last) * rows // 2
    return Worked(
        f"A theater has {rows} rows of seats. The first row has {first} seats, and every further row "
        f"has {more} seats more than the one before it. How many seats are there?",
        (
            f"After the first there are {rows} - 1 = {rows - 1} rows.",
            f"The last row has {rows - 1} * {more} = {growth} seats more than the first.",
            f"It has {first} + {growth} = {last} seats.",
            f"The first and the last have {first} + {last} = {first + last} seats together.",
            f"Pairs of rows with that sum there are {rows} / 2 = {rows // 2}.",
            f"In all there are {rows // 2} * {first + last} = {total} seats.",
        ),
        total,
    )


def _votes(d: Draws) -> Worked:
    (one, other), votes = d.people(), d.number(200, 3000, 100)
    first, second = d.number(42, 60), d.number(15, 38)
    gap = votes * (first - second) // 100
    return Worked(
        f"In an election {votes} votes are cast. {one} gets {first}% of them and {other} gets "
        f"{second}%. By how many votes is {one} ahead of {other}?",
        (
            f"{one} gets {votes} * {first} / 100 = {votes * first // 100} votes.",
            f"{other} gets {votes} * {second} / 100 = {votes * second // 100} votes.",
            f"The lead is {votes * first // 100} - {votes * second // 100} = {gap} votes.",
        ),
        gap,
    )


AMOUNTS: tuple[Schema, ...] = (
    _boxes,
    _packs_needed,
    _fractions,
    _percent_group,
    _sharing,
    _ratio,
    _paint,
    _recipe,
    _make_equal,
    _three_people,
    _backwards,
    _floor,
    _posts,
    _tank,
    _in_a_row,
    _mean_needed,
    _seats,
    _votes,
)
"""Counting, sharing, fractions, percentages, mixtures and shapes."""
