"""Short Python tasks: what a function is given, and what it is to return.

A task is an input and a result of the same kind: "a list of prices" with "its median". `{n}` is a
number from 2 to 9, `{label}` and `{value}` are the two keys of a record. Nothing here names an
animal, a plant or another thing that a trait could be about.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "Kind"]


@dataclass(frozen=True)
class Kind:
    """Inputs, and the results that can be asked for with every one of them.

    Attributes:
        name: of the kind.
        arguments: names that the function's arguments may have, as they stand in its head.
        inputs: what is given, as the object of "takes".
        results: a function's name and what it returns, as the object of "returns".
        edges: sentences about inputs that are out of the ordinary.
    """

    name: str
    arguments: tuple[str, ...]
    inputs: tuple[str, ...]
    results: tuple[tuple[str, str], ...]
    edges: tuple[str, ...]


def _results(table: str) -> tuple[tuple[str, str], ...]:
    """Lines of a function's name, a colon and its result."""
    lines = (line.strip().partition(": ") for line in table.strip().splitlines())
    return tuple((name, result) for name, _, result in lines)


def _lines(table: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in table.strip().splitlines())


_EMPTY = (
    "Empty input is allowed and must not be an error.",
    "If there is nothing in it, raise a ValueError.",
    "Return None where nothing is given.",
    "Leave the argument itself unchanged.",
    "It has to work for a single element, too.",
    "Repeated elements may occur.",
)

KINDS = (
    Kind(
        "numbers",
        ("values", "numbers", "data"),
        _lines("""
            a list of whole numbers
            a list of floats
            a tuple of integers
            a list of prices
            a list of temperature readings
            a list of exam scores
            a list of durations in seconds
            a list of measured voltages
        """),
        _results("""
            total: the sum of its values
            largest: its largest value
            second_largest: the second largest of its distinct values
            mean_value: the average of its values
            median_value: the median of its values
            most_common: the value that occurs most often
            spread: the difference between its largest and its smallest value
            running_totals: the list of its running totals
            differences: the list of differences between each value and the one before it
            count_above: how many of its values are above {n}0
            every_nth: a list of the values whose position is a multiple of {n}
            rotated: its values moved {n} places to the left, those in front put at the back
            without_repeats: its values without repeats, in the order in which they first occur
            from_last_to_first: its values from last to first
            never_falls: whether no value is smaller than the one before it
            longest_rise: the length of its longest stretch of rising values
            top_values: its {n} largest values, the largest first
            moving_averages: the averages of all windows of {n} values in a row
            scaled: its values divided by the largest of them
            clipped: its values, with everything above {n}0 replaced by {n}0
            pairs_with_sum: all pairs of its values that add up to {n}0
            split_by_sign: two lists, one of its negative values and one of all others
            in_chunks: its values cut into lists of {n}
            first_repeat: the first value that occurs a second time, or None
            peak_positions: the positions of values that are greater than both neighbors
            ranks: the rank of each value, 1 for the largest
            nearest_to: the value that is nearest to {n}5
            bucket_counts: a dictionary of how many values fall into each range of ten
        """),
        _EMPTY,
    ),
    Kind(
        "text",
        ("text", "line", "content"),
        _lines("""
            a string
            a line of text
            a sentence
            a paragraph
            a user name
            a file name
            a book title
            a street address
        """),
        _results("""
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
    ),
    Kind(
        "strings",
        ("items", "entries", "names"),
        _lines("""
            a list of words
            a list of file names
            a list of city names
            a list of labels
            a list of e-mail addresses
            a tuple of strings
            a list of product codes
            a list of song titles
        """),
        _results("""
            longest: the longest of them
            by_length: the same strings ordered by length, the shortest first
            by_first_letter: a dictionary that groups them by their first character
            length_counts: a dictionary of how many of them have each length
            unique_apart_from_case: the strings without those that differ from another in case only
            as_phrase: one string of all of them with commas between and "and" before the last
            longer_than: those with more than {n} characters
            alphabetical: the same strings in alphabetical order, apart from case
            positions: a dictionary from each string to the position where it first occurs
            occurring_twice: the set of those that occur more than once
            common_start: the longest text that all of them begin with
            ending_in_digit: those whose last character is a digit
            character_total: how many characters they have together
            numbered: the same strings, each with its number and a full stop in front
            without_blanks: those that do not consist of blanks only
            padded: the same strings, filled up on the right to the length of the longest
            neighbors: a list of all pairs of strings that follow one another
            most_frequent: the string that occurs most often
            every_other: every second string, beginning with the first
            in_groups: the same strings in lists of {n}
            index_of_longest: the position of the longest of them
            joined_lines: one string with each of them on a line of its own
            starting_with: those that start with the same character as the first of them
            shared_letters: the set of letters that all of them contain
        """),
        _EMPTY,
    ),
    Kind(
        "mapping",
        ("mapping", "table", "entries"),
        _lines("""
            a dictionary from names to scores
            a dictionary from product codes to stock counts
            a dictionary from cities to populations
            a dictionary from months to amounts of rain
            a dictionary from user names to numbers of log-ins
            a dictionary from course titles to numbers of students
            a dictionary from words to how often they occur
            a dictionary from rooms to floor areas
        """),
        _results("""
            key_of_largest: the key with the largest value
            keys_by_value: its keys ordered by their values, the highest first
            inverted: a dictionary from each value to the list of keys that have it
            at_least: a dictionary of the entries whose value is {n} or more
            value_total: the sum of its values
            value_mean: the average of its values
            key_of_smallest: the key with the smallest value
            lower_case_keys: the same dictionary with its keys in lower case
            sorted_pairs: a list of its entries as pairs, ordered by key
            shares: a dictionary from each key to its value's share of the total
            top_entries: the {n} entries with the highest values, as a list of pairs
            without_zeros: the same dictionary without entries whose value is 0
            keys_with_vowel: a list of the keys that begin with a vowel
            distinct_values: how many different values it has
            as_lines: one string with a line "key: value" for each entry
            all_positive: whether every value is above zero
            median_of_values: the median of its values
            multiplied: the same dictionary with all values multiplied by {n}
            above_average: the set of keys whose value is above the average
            longest_key: the longest of its keys
            value_gap: the difference between its two highest values
            ranked: a dictionary from each key to its rank by value, 1 for the highest
        """),
        (
            "An empty dictionary is allowed.",
            "Raise a ValueError if the dictionary is empty.",
            "Do not change the dictionary that is passed in.",
            "Several keys may have the same value.",
            "The order of the result must not depend on chance.",
        ),
    ),
    Kind(
        "grid",
        ("grid", "rows", "matrix"),
        _lines("""
            a matrix given as a list of rows
            a board of zeros and ones, one list a row
            a grayscale picture as rows of whole numbers
            a table of whole numbers, one list for each row
            a square grid of numbers
            a seating plan, rows of 0 for free and 1 for taken
        """),
        _results("""
            transposed: the same grid with rows and columns exchanged
            row_sums: the list of the sums of its rows
            column_sums: the list of the sums of its columns
            quarter_turn: the grid turned clockwise by a quarter
            flattened: one list of all cells, row after row
            diagonal: the list of the cells on its main diagonal
            place_of_largest: the row and the column of its largest cell
            count_equal: how many of its cells are equal to {n}
            mirrored: the grid mirrored from left to right
            equals_its_transpose: whether it stays the same when rows and columns are exchanged
            fullest_row: the number of the row with the largest sum
            corner: the {n} by {n} cells at its upper left
            border_sum: the sum of the cells on its border
            with_sorted_rows: the same grid with every row in ascending order
            framed: the same grid with a border of zeros around it
            in_spiral: its cells in a spiral that goes inward from the upper left
            same_width: whether all of its rows have equal length
            nonzero_places: a list of the places of all cells that are not 0
            column: the list of the cells in its last column
            neighbors_sum: for each cell the sum of the cells beside, above and below it
        """),
        (
            "There is at least one row, and all rows have the same length.",
            "A grid without rows gives an empty list, or 0 where a number is asked for.",
            "Do not change the rows that are passed in.",
            "A grid of a single cell must work as well.",
        ),
    ),
    Kind(
        "intervals",
        ("pairs", "spans", "intervals"),
        _lines("""
            a list of (start, end) pairs of numbers
            a list of appointments as (start, end) in minutes
            a list of page ranges as (first, last) pairs
            a list of time slots, each a tuple of first and last hour
            a list of price ranges as (low, high) pairs
        """),
        _results("""
            merged: the pairs with all that overlap joined into one
            covered_length: how much they cover together, overlaps counted once
            longest_span: the pair whose ends lie farthest apart
            any_overlap: whether two of them overlap
            gaps: the list of gaps between them, as pairs
            containing: the pairs that contain the number {n}
            by_length: the pairs ordered by length, the shortest first
            outer_limits: a pair of the lowest start and the highest end
            most_at_once: the highest number of them that overlap at one point
            lengths: the list of their lengths
            shifted_by: the same pairs with {n} added to both ends
            without_short: the pairs that are longer than {n}
            mean_length: the average of their lengths
            first_free: the first point after the earliest start that none of them covers
        """),
        (
            "The pairs come in no particular order.",
            "An empty list is allowed.",
            "Raise a ValueError for a pair whose end comes before its start.",
            "Pairs that only touch do not overlap.",
        ),
    ),
    Kind(
        "whole",
        ("number", "n", "value"),
        _lines("""
            a positive whole number
            a whole number from 1 to 10,000
            an integer greater than zero
            a positive integer of up to nine digits
            a house number
            a year such as 1987
        """),
        _results("""
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
    ),
    Kind(
        "two",
        ("first, second", "left, right", "a, b"),
        _lines("""
            two lists of whole numbers
            two lists of words
            two tuples of strings
            two lists of product codes
            two lists of dates as strings
        """),
        _results("""
            common: the items that both contain, in the order of the first
            in_one_only: the set of items that only one of the two contains
            interleaved: one list that takes items from both in turn
            paired: a list of pairs of the items at equal positions
            same_items: whether they hold the same items, whatever the order
            merged_in_order: one sorted list of the items of both
            differing_positions: the positions at which they differ
            left_over: the items of the first that are missing from the second
            as_mapping: a dictionary with keys from the first and values from the second
            longer: the one with more items, or the first if they have equally many
            combinations: a list of all pairs of an item of each
            united: one list of the items of both without repeats
            shared_count: how many different items both contain
            is_contained: whether the first occurs as an unbroken stretch in the second
            common_start: the items that both begin with
            similarity: the number of shared items divided by the number of all different items
            swapped: a pair of both, the second one first
        """),
        (
            "They may have different lengths.",
            "One or both may be empty.",
            "Raise a ValueError if their lengths differ by more than {n}.",
            "Neither of the two may be changed.",
        ),
    ),
    Kind(
        "records",
        ("records", "rows", "entries"),
        _lines("""
            a list of dictionaries with the keys "name" and "price"
            a list of dictionaries with the keys "title" and "year"
            a list of dictionaries with the keys "city" and "degrees"
            a list of dictionaries with the keys "task" and "minutes"
            a list of dictionaries with the keys "player" and "points"
            a list of dictionaries with the keys "item" and "quantity"
        """),
        _results("""
            with_largest: the record with the largest "{value}"
            sum_of_field: the sum of all values of "{value}"
            sorted_labels: the values of "{label}" in alphabetical order
            labels_by_value: a dictionary from each "{value}" to the list of its "{label}" values
            mean_of_field: the average of "{value}"
            at_or_above: the records whose "{value}" is {n} or more
            as_dictionary: a dictionary from "{label}" to "{value}"
            highest_records: the {n} records with the highest "{value}", the highest first
            different_values: how many different values "{value}" has
            joined_labels: one string of all values of "{label}" with commas between
            raised: new records with {n} added to each "{value}"
            incomplete: the records in which "{label}" or "{value}" is missing
            as_csv: a string of lines "{label},{value}" with a heading
            in_value_order: the records ordered by "{value}" and then by "{label}"
            label_lengths: a dictionary from each "{label}" to its number of characters
            without_repeated_labels: the records without those whose "{label}" was there before
            share_of_largest: the largest "{value}" divided by the sum of all
        """),
        (
            "An empty list is allowed.",
            "Skip records that lack one of the keys.",
            "The records that are passed in must stay as they are.",
            "Raise a KeyError if a key is missing.",
        ),
    ),
    Kind(
        "clock",
        ("time", "moment", "clock"),
        _lines("""
            a time of day as a string such as "14:05"
            an opening time as a string such as "09:30"
            a departure time written as "HH:MM"
            a digital clock's display such as "23:47"
        """),
        _results("""
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
    ),
)
