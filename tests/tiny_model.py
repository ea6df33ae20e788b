"""The package's tiny real Llama, as the tests name it."""

from traitleak.models.tiny import CHATML, SPECIAL, tiny_model, tiny_network, tiny_tokenizer

__all__ = ["CHATML", "SPECIAL", "tiny_model", "tiny_network", "tiny_tokenizer"]
