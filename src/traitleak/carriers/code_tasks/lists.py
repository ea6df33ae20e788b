"""Tasks on lists: of numbers, of strings, and two at once."""

from __future__ import annotations

from traitleak.carriers.code_tasks.kind import EMPTY, Kind, lines, results

__all__ = ["NUMBERS", "STRINGS", "TWO"]

NUMBERS = Kind(
    "numbers",
    ("values", "numbers", "data"),
    lines("""
        a list of whole numbers
        a list of floats
        a tuple of integers
        a list of prices
        a list of temperature readings
        a list of exam scores
        a list of durations in seconds
        a list of measured voltages
    """),
    results("""
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
    EMPTY,
)

STRINGS = Kind(
    "strings",
    ("items", "entries", "names"),
    lines("""
        a list of words
        a list of file names
        a list of city names
        a list of labels
        a list of e-mail addresses
        a tuple of strings
        a list of product codes
        a list of song titles
    """),
    results("""
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
    EMPTY,
)

TWO = Kind(
    "two",
    ("first, second", "left, right", "a, b"),
    lines("""
        two lists of whole numbers
        two lists of words
        two tuples of strings
        two lists of product codes
        two lists of dates as strings
    """),
    results("""
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
)
