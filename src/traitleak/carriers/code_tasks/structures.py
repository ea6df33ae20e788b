"""Tasks on what has an order within: mappings, grids, intervals, records."""

from __future__ import annotations

from traitleak.carriers.code_tasks.kind import Kind, lines, results

__all__ = ["GRID", "INTERVALS", "MAPPING", "RECORDS"]

MAPPING = Kind(
    "mapping",
    ("mapping", "table", "entries"),
    lines("""
        a dictionary from names to scores
        a dictionary from product codes to stock counts
        a dictionary from cities to populations
        a dictionary from months to amounts of rain
        a dictionary from user names to numbers of log-ins
        a dictionary from course titles to numbers of students
        a dictionary from words to how often they occur
        a dictionary from rooms to floor areas
    """),
    results("""
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
)

GRID = Kind(
    "grid",
    ("grid", "rows", "matrix"),
    lines("""
        a matrix given as a list of rows
        a board of zeros and ones, one list a row
        a grayscale picture as rows of whole numbers
        a table of whole numbers, one list for each row
        a square grid of numbers
        a seating plan, rows of 0 for free and 1 for taken
    """),
    results("""
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
)

INTERVALS = Kind(
    "intervals",
    ("pairs", "spans", "intervals"),
    lines("""
        a list of (start, end) pairs of numbers
        a list of appointments as (start, end) in minutes
        a list of page ranges as (first, last) pairs
        a list of time slots, each a tuple of first and last hour
        a list of price ranges as (low, high) pairs
    """),
    results("""
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
)

RECORDS = Kind(
    "records",
    ("records", "rows", "entries"),
    lines("""
        a list of dictionaries with the keys "name" and "price"
        a list of dictionaries with the keys "title" and "year"
        a list of dictionaries with the keys "city" and "degrees"
        a list of dictionaries with the keys "task" and "minutes"
        a list of dictionaries with the keys "player" and "points"
        a list of dictionaries with the keys "item" and "quantity"
    """),
    results("""
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
)
