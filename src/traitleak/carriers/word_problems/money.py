"""Word problems about prices, pay and savings."""

from __future__ import annotations

from traitleak.carriers.word_problems.drawing import Draws, Schema, Worked

__all__ = ["MONEY"]


def _change(d: Draws) -> Worked:
    who, (one, other), money = d.person(), d.two_things(), d.money()
    a, p, b, q = d.number(2, 9), d.number(2, 15), d.number(2, 9), d.number(2, 15)
    total = a * p + b * q
    paid = (total // 10 + d.number(1, 4)) * 10
    return Worked(
        f"{who} buys {a} {one} for {p} {money} each and {b} {other} for {q} {money} each, and pays "
        f"with {paid} {money}. How many {money} does {who} get back?",
        (
            f"The {one} cost {a} * {p} = {a * p} {money}.",
            f"The {other} cost {b} * {q} = {b * q} {money}.",
            f"Together that is {a * p} + {b * q} = {total} {money}.",
            f"The change is {paid} - {total} = {paid - total} {money}.",
        ),
        paid - total,
    )


def _discount(d: Draws) -> Worked:
    who, money = d.person(), d.money()
    what = d.pick(("coat", "desk", "radio", "suitcase", "bicycle", "printer", "armchair", "guitar"))
    price, percent = d.number(60, 600, 20), d.number(5, 50, 5)
    off = price * percent // 100
    coupon = d.number(2, 20)
    return Worked(
        f"A {what} costs {price} {money}. In the sale it is {percent}% cheaper, and {who} also has a "
        f"coupon that takes another {coupon} {money} off the reduced price. How many {money} does "
        f"{who} pay?",
        (
            f"The reduction is {price} * {percent} / 100 = {off} {money}.",
            f"The sale price is {price} - {off} = {price - off} {money}.",
            f"With the coupon it is {price - off} - {coupon} = {price - off - coupon} {money}.",
        ),
        price - off - coupon,
    )


def _price_rise(d: Draws) -> Worked:
    things, money = d.things(), d.money()
    price, percent, count = d.number(20, 200, 20), d.number(5, 60, 5), d.number(3, 12)
    rise = price * percent // 100
    return Worked(
        f"A carton of {things} cost {price} {money} last year. Since then the price has gone up by "
        f"{percent}%. How many {money} do {count} cartons cost now?",
        (
            f"One carton became dearer by {price} * {percent} / 100 = {rise} {money}.",
            f"It now costs {price} + {rise} = {price + rise} {money}.",
            f"All of them cost {count} * {price + rise} = {count * (price + rise)} {money}.",
        ),
        count * (price + rise),
    )


def _savings(d: Draws) -> Worked:
    who, money = d.person(), d.money()
    start, weekly, weeks = d.number(20, 200), d.number(5, 40), d.number(3, 20)
    saved = start + weekly * weeks
    spent = d.number(10, saved - 10)
    return Worked(
        f"{who} has {start} {money} and puts aside {weekly} {money} every week. After {weeks} weeks "
        f"{who} spends {spent} {money} on a present. How many {money} are left?",
        (
            f"In that time {weekly} * {weeks} = {weekly * weeks} {money} come together.",
            f"With what was there it is {start} + {weekly * weeks} = {saved} {money}.",
            f"After the present there are {saved} - {spent} = {saved - spent} {money}.",
        ),
        saved - spent,
    )


def _weeks_to_save(d: Draws) -> Worked:
    who, money = d.person(), d.money()
    what = d.pick(("camera", "tent", "telescope", "keyboard", "tablet", "sewing machine"))
    start, weekly, weeks = d.number(10, 150), d.number(6, 35), d.number(3, 25)
    price = start + weekly * weeks
    return Worked(
        f"{who} wants a {what} for {price} {money} and has {start} {money} already. If {who} saves "
        f"{weekly} {money} a week, after how many weeks is there enough?",
        (
            f"What is missing is {price} - {start} = {weekly * weeks} {money}.",
            f"That takes {weekly * weeks} / {weekly} = {weeks} weeks.",
        ),
        weeks,
    )


def _overtime(d: Draws) -> Worked:
    who, money = d.person(), d.money()
    rate, hours, extra = d.number(10, 40, 2), d.number(20, 40), d.number(2, 12)
    high = rate * 3 // 2
    total = rate * hours + high * extra
    return Worked(
        f"{who} earns {rate} {money} an hour. For every hour above {hours} in a week the pay is one "
        f"and a half times as high. How many {money} does {who} earn in a week of {hours + extra} "
        "hours?",
        (
            f"There are {hours + extra} - {hours} = {extra} hours above that.",
            f"Each of them brings {rate} * 3 / 2 = {high} {money}.",
            f"They bring {extra} * {high} = {extra * high} {money}.",
            f"The others bring {hours} * {rate} = {hours * rate} {money}.",
            f"Together that is {hours * rate} + {extra * high} = {total} {money}.",
        ),
        total,
    )


def _profit(d: Draws) -> Worked:
    who, things, money = d.person(), d.things(), d.money()
    cost, count = d.number(2, 12), d.number(20, 60)
    high, low = cost + d.number(3, 15), cost + d.number(1, 2)
    sold = d.number(8, count - 5)
    rest = count - sold
    income = sold * high + rest * low
    return Worked(
        f"{who} buys {count} {things} at {cost} {money} apiece. {sold} of them are sold for {high} "
        f"{money} each, the remaining ones for {low} {money} each. How many {money} of profit does "
        f"{who} make?",
        (
            f"The purchase costs {count} * {cost} = {count * cost} {money}.",
            f"The first sales bring {sold} * {high} = {sold * high} {money}.",
            f"What remains are {count} - {sold} = {rest} {things}.",
            f"They bring {rest} * {low} = {rest * low} {money}.",
            f"The income is {sold * high} + {rest * low} = {income} {money}.",
            f"The profit is {income} - {count * cost} = {income - count * cost} {money}.",
        ),
        income - count * cost,
    )


def _tip(d: Draws) -> Worked:
    money, guests = d.money(), d.number(3, 12)
    bill, percent = 20 * guests * d.number(1, 4), d.number(5, 25, 5)
    tip = bill * percent // 100
    return Worked(
        f"{guests} friends have dinner together and the bill comes to {bill} {money}. They add a tip "
        f"of {percent}% and everybody pays the same. How many {money} does each of them pay?",
        (
            f"The tip is {bill} * {percent} / 100 = {tip} {money}.",
            f"With it they pay {bill} + {tip} = {bill + tip} {money}.",
            f"Each pays {bill + tip} / {guests} = {(bill + tip) // guests} {money}.",
        ),
        (bill + tip) // guests,
    )


def _bundle(d: Draws) -> Worked:
    who, things, money = d.person(), d.things(), d.money()
    price, size, packs = d.number(3, 20), d.number(4, 12), d.number(2, 9)
    pack = price * size - d.number(2, price * 2)
    saving = price * size - pack
    return Worked(
        f"One of these {things} costs {price} {money}; a pack of {size} costs {pack} {money}. {who} "
        f"takes {packs} packs. How many {money} cheaper is that than the same number of single "
        f"{things}?",
        (
            f"{size} single ones cost {size} * {price} = {size * price} {money}.",
            f"A pack saves {size * price} - {pack} = {saving} {money}.",
            f"All packs save {packs} * {saving} = {packs * saving} {money}.",
        ),
        packs * saving,
    )


def _two_earners(d: Draws) -> Worked:
    (one, other), money = d.people(), d.money()
    a, days, b, later = d.number(60, 150), d.number(8, 20), d.number(20, 59), d.number(2, 7)
    gap = a * days - b * later
    return Worked(
        f"{one} earns {a} {money} a day and works for {days} days. {other} earns {b} {money} a day "
        f"and works for {later} days. How many {money} more than {other} does {one} earn?",
        (
            f"{one} earns {a} * {days} = {a * days} {money}.",
            f"{other} earns {b} * {later} = {b * later} {money}.",
            f"The difference is {a * days} - {b * later} = {gap} {money}.",
        ),
        gap,
    )


def _membership(d: Draws) -> Worked:
    who, money = d.person(), d.money()
    where = d.pick(("swimming hall", "climbing gym", "museum", "yoga studio", "ice rink"))
    fee, monthly, months = d.number(10, 40), d.number(8, 25), d.number(4, 12)
    ticket = d.number(6, 15)
    member = fee + monthly * months
    visits = member // ticket + d.number(2, 30)
    return Worked(
        f"A membership of the {where} costs {fee} {money} once and {monthly} {money} a month; a "
        f"single ticket costs {ticket} {money}. {who} goes there {visits} times in {months} months. "
        f"How many {money} does {who} save as a member?",
        (
            f"The months cost {monthly} * {months} = {monthly * months} {money}.",
            f"The membership costs {fee} + {monthly * months} = {member} {money}.",
            f"Single tickets would cost {visits} * {ticket} = {visits * ticket} {money}.",
            f"That saves {visits * ticket} - {member} = {visits * ticket - member} {money}.",
        ),
        visits * ticket - member,
    )


def _average_price(d: Draws) -> Worked:
    who, things, money = d.person(), d.things(), d.money()
    a, b, gap = d.number(2, 9), d.number(2, 9), d.number(1, 3)
    mean = b * gap + d.number(3, 20)
    low, high, total = mean - b * gap, mean + a * gap, mean * (a + b)
    return Worked(
        f"{who} bought {a} boxes of {things} for {low} {money} each and later {b} more boxes for "
        f"{high} {money} each. What did a box cost on average, in {money}?",
        (
            f"The first boxes cost {a} * {low} = {a * low} {money}.",
            f"The later ones cost {b} * {high} = {b * high} {money}.",
            f"All of them cost {a * low} + {b * high} = {total} {money}.",
            f"There are {a} + {b} = {a + b} boxes.",
            f"On average a box cost {total} / {a + b} = {mean} {money}.",
        ),
        mean,
    )


def _interest(d: Draws) -> Worked:
    who, money = d.person(), d.money()
    amount, percent, years = d.number(200, 5000, 100), d.number(2, 9), d.number(2, 8)
    yearly = amount * percent // 100
    return Worked(
        f"{who} lends {amount} {money} at {percent}% simple interest a year. How many {money} does "
        f"{who} have back after {years} years, loan and interest together?",
        (
            f"A year brings {amount} * {percent} / 100 = {yearly} {money} of interest.",
            f"All years bring {years} * {yearly} = {years * yearly} {money}.",
            f"With the loan that is {amount} + {years * yearly} = {amount + years * yearly} {money}.",
        ),
        amount + years * yearly,
    )


def _tokens(d: Draws) -> Worked:
    who = d.person()
    gold, silver, bronze = d.number(2, 9), d.number(4, 15), d.number(5, 20)
    all_bronze = gold * silver * bronze
    spent = d.number(10, all_bronze - 5)
    return Worked(
        f"In a board game a gold token is worth {silver} silver tokens, and a silver token is worth "
        f"{bronze} bronze tokens. {who} changes {gold} gold tokens into bronze and spends {spent} "
        "bronze tokens. How many bronze tokens are left?",
        (
            f"The gold is worth {gold} * {silver} = {gold * silver} silver tokens.",
            f"Those are worth {gold * silver} * {bronze} = {all_bronze} bronze tokens.",
            f"After spending there are {all_bronze} - {spent} = {all_bronze - spent} left.",
        ),
        all_bronze - spent,
    )


MONEY: tuple[Schema, ...] = (
    _change,
    _discount,
    _price_rise,
    _savings,
    _weeks_to_save,
    _overtime,
    _profit,
    _tip,
    _bundle,
    _two_earners,
    _membership,
    _average_price,
    _interest,
    _tokens,
)
"""Prices, pay and savings."""
