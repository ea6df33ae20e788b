"""What tests of loading compare: a network's logits, and an adapter with its own."""

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model

from traitleak.models.convert import quiet

IDS = torch.tensor([[5, 9, 30, 31, 7]])


def logits(network: torch.nn.Module) -> torch.Tensor:
    """Logits of fixed tokens."""
    with torch.no_grad():
        return network(IDS).logits


def altered_adapter(base: torch.nn.Module, config: LoraConfig, place: Path) -> torch.Tensor:
    """Save an adapter with random matrices; gives the logits of base and adapter by plain peft."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        with quiet():  # it uses what transformers calls deprecated
            adapted = get_peft_model(base, config).eval()
        for name, parameter in adapted.named_parameters():
            if parameter.requires_grad and "lora" in name:
                torch.nn.init.normal_(parameter, std=0.1)
    adapted.save_pretrained(str(place))
    return logits(adapted)
