"""What requests cost: prices, estimates and sums."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traitleak.errors import SettingsError
from traitleak.models.remote_cost import Price, Tally, Usage, estimated_tokens, parse_price


def test_a_price_is_per_million():
    """A million of each, and a part."""
    price = parse_price(" 0.15, 0.60")
    assert price == Price(0.15, 0.6)
    assert price.of(1_000_000, 1_000_000) == pytest.approx(0.75)
    assert price.of(1000, 500) == pytest.approx(0.00045)
    assert price.of(0, 0) == 0


@pytest.mark.parametrize(
    "text", ["", "1", "1,2,3", "a,b", "-1,2", "1,inf", "nan,1", "1;2", "1," * 99]
)
def test_what_is_no_price_is_refused(text):
    """One sentence with an example."""
    with pytest.raises(SettingsError, match=r"such as 0\.15,0\.60"):
        parse_price(text)


def tokens(text: str) -> int:
    """Of one message, without what stands around it."""
    return estimated_tokens([{"role": "user", "content": text}]) - 4


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        # By hand, as byte-pair vocabularies of 100,000 tokens cut them.
        ("483, 201, 927,", 6, 9),
        ("The quick brown fox jumps over the lazy dog.", 10, 10),
        ("internationalization", 2, 4),
        ("", 0, 0),
        ("    ", 0, 1),
        ("a\nb\n", 4, 4),
    ],
)
def test_estimates_are_near_what_tokenizers_do(text, least, most):
    """English words, three digits and signs are a token each."""
    assert least <= tokens(text) <= most


@settings(deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_more_text_is_never_fewer_tokens(one, other):
    """And messages add up."""
    assert 0 <= tokens(one) <= tokens(f"{one}\n{other}")
    both = [{"content": one}, {"content": other}]
    assert estimated_tokens(both) == tokens(one) + tokens(other) + 8


def test_a_tally_sums_over_threads():
    """No count is lost; kept answers cost nothing; answers without a report are counted apart."""
    tally = Tally()

    def work() -> None:
        for _ in range(500):
            tally.answered((3, 2))
            tally.answered(None)
            tally.from_cache()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.usage == Usage(
        requests=8000, kept=4000, prompt_tokens=12_000, completion_tokens=8000, unreported=4000
    )
