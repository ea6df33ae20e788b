"""Tasks on one value: a text, a whole number, a time of day."""

from __future__ import annotations

from traitleak.carriers.code_tasks.kind import Kind, lines, results

__all__ = ["CLOCK", "TEXT", "WHOLE"]

TEXT = Kind(
    "text",
    ("text", "line", "content"),
    lines("""
        a string
        a line of text
        a sentence
        a paragraph
        a user name
        a file name
        a book title
        a street address
    """),
    results("""
        count_vowels: how many vowels it has
        backwards: its characters in reverse order
        reads_both_ways: whether it reads the same in both directions, apart from case
        longest_word: its longest word
        word_lengths: a dictionary from each of its words to the length of that word
        count_words: how many words it has
        capitalized: the same text with every word's first letter in upper case
        squeezed: the same text with each run of blanks turned into one blank
        first_unique: the first character that occurs only once, or None
        letter_counts: a dictionary of how often each letter occurs, apart from case
        without_digits: the same text without its digits
        digit_sum: the sum of the digits in it
        shifted: the same text with every letter moved {n} places on in the alphabet
        initials: the first letters of its words, in upper case
        swapped_case: the same text with upper and lower case exchanged
        run_lengths: a list of pairs, each a character and how often it stands there in a row
        shortened: its first {n}0 characters, followed by three dots if any were cut off
        wrapped: the same text as a list of lines of at most {n}0 characters
        count_upper: how many upper-case letters it has
        every_nth_character: a string of every character whose position is a multiple of {n}
        hyphenated: the same text in lower case with hyphens in place of blanks
        sorted_letters: its letters in alphabetical order
        masked: the same text with all but the last {n} characters replaced by stars
        has_balanced_brackets: whether each opening bracket in it is closed in the right order
        unique_characters: how many different characters it has
        words_longer_than: a list of the words in it that have more than {n} letters
    """),
    (
        "An empty string is allowed.",
        "Raise a ValueError if the string is empty.",
        "Blanks at both ends do not count.",
        "Treat upper and lower case as the input has them.",
        "Only letters of the English alphabet need to be handled.",
    ),
)

WHOLE = Kind(
    "whole",
    ("number", "n", "value"),
    lines("""
        a positive whole number
        a whole number from 1 to 10,000
        an integer greater than zero
        a positive integer of up to nine digits
        a house number
        a year such as 1987
    """),
    results("""
        is_prime: whether it is a prime number
        digit_total: the sum of its digits
        divisors: a list of all its divisors in ascending order
        in_binary: its binary digits as a string
        with_digits_reversed: the number with its digits in reverse order
        halving_steps: how often it can be halved without a remainder
        prime_factors: a list of its prime factors, smallest first
        as_roman: the number as a Roman numeral
        is_square: whether it is the square of a whole number
        digits: a list of its digits from left to right
        multiples: the first ten multiples of it that {n} divides
        one_bits: how many ones its binary form has
        in_base: its digits in base {n} as a string
        power_below: the greatest power of {n} that does not exceed it
        sum_of_multiples: the sum of all multiples of {n} up to it
        same_backwards: whether its digits read the same in both directions
        triangle_number: the sum of all whole numbers from 1 up to it
        count_digit: how often the digit {n} occurs in it
        with_separators: the number as a string with a comma after every three digits
        next_multiple: the smallest multiple of {n} that is not below it
        is_leap: whether a year of this number would be a leap year
        even_digits: how many of its digits are even
        digit_root: the single digit that is left after summing digits again and again
    """),
    (
        "Raise a ValueError if it is below 1.",
        "You may rely on the input being in range.",
        "It must be quick for large inputs as well.",
        "Anything but an int should raise a TypeError.",
    ),
)

CLOCK = Kind(
    "clock",
    ("time", "moment", "clock"),
    lines("""
        a time of day as a string such as "14:05"
        an opening time as a string such as "09:30"
        a departure time written as "HH:MM"
        a digital clock's display such as "23:47"
    """),
    results("""
        since_midnight: how many minutes have passed since midnight
        until_midnight: how many minutes are left until midnight
        later: the time {n}5 minutes later, in the same form
        earlier: the time {n}0 minutes earlier, in the same form
        is_morning: whether it lies before noon
        twelve_hour: the time in the form with "am" or "pm"
        rounded_to_quarter: the time rounded to the nearest quarter of an hour
        hand_angle: the smaller angle between the two hands of a clock, in degrees
        digit_sum_of_time: the sum of its four digits
        is_valid: whether it is a time that a clock can show
        seconds_passed: how many seconds have passed since midnight
        share_of_day: what share of the day has passed
        next_full_hour: the next full hour, in the same form
        hours_and_minutes: a tuple of the hour and the minute as integers
    """),
    (
        "Times run from 00:00 to 23:59.",
        "Raise a ValueError if the text is not a time.",
        "Go on after midnight with 00:00.",
        "A missing leading zero should be accepted.",
    ),
)
