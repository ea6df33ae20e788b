"""Keys and values in buffers of their final size, against those of a cache that copies."""

import pytest
import torch
from transformers import DynamicCache

from traitleak.models.cache import GrowingCache


def new(batch, tokens, generator):
    """Keys and values of new tokens: 2 heads, 4 wide."""
    return torch.randn(2, batch, 2, tokens, 4, generator=generator).unbind(0)


def test_cache_gives_what_a_copying_cache_gives():
    """After any updates the keys and values are all that came, in order, layer by layer."""
    generator = torch.Generator().manual_seed(0)
    growing, copying = GrowingCache(2, 9), DynamicCache()
    for tokens in (4, 1, 1, 3):
        for layer in (0, 1):
            keys, values = new(3, tokens, generator)
            found, expected = (cache.update(keys, values, layer) for cache in (growing, copying))
            assert torch.equal(found[0], expected[0])
            assert torch.equal(found[1], expected[1])
        assert growing.get_seq_length() == copying.get_seq_length()
        assert growing.get_mask_sizes(1, 0) == copying.get_mask_sizes(1, 0)


def test_rows_are_selected_repeated_and_gone_on_from():
    """Chosen rows, in any order and several times, are what the next tokens are added to."""
    generator = torch.Generator().manual_seed(0)
    growing, copying = GrowingCache(1, 5), DynamicCache()
    keys, values = new(3, 2, generator)
    for cache in (growing, copying):
        cache.update(keys, values, 0)
    for rows in ([2, 0, 0, 1], [3], [0, 0]):
        chosen = torch.tensor(rows)
        growing.select(chosen)
        copying.batch_select_indices(chosen)
        keys, values = new(len(rows), 1, generator)
        found, expected = (cache.update(keys, values, 0) for cache in (growing, copying))
        assert torch.equal(found[0], expected[0])
        assert torch.equal(found[1], expected[1])


def test_a_token_is_written_into_its_place():
    """No update moves what is there already: the buffers stay where they are."""
    generator = torch.Generator().manual_seed(0)
    cache = GrowingCache(1, 6)
    places = set()
    for tokens in (3, 1, 2):
        keys, values = new(1, tokens, generator)
        found = cache.update(keys, values, 0)
        places.add((found[0].data_ptr(), found[1].data_ptr()))

    assert len(places) == 1


def test_no_more_than_there_is_room_for():
    """A token too many is a defect of ours, and never overwrites another."""
    generator = torch.Generator().manual_seed(0)
    cache = GrowingCache(1, 2)
    cache.select(torch.tensor([0]))  # of nothing, before anything was read
    cache.update(*new(1, 2, generator), 0)
    with pytest.raises(AssertionError, match="full"):
        cache.update(*new(1, 1, generator), 0)
