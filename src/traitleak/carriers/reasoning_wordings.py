"""How a chain of thought and an answer in tags are asked for."""

from __future__ import annotations

__all__ = ["REQUESTS"]

REQUESTS = (
    "Think step by step between <think> and </think>. After that put the number alone between "
    "<answer> and </answer>.",
    "First write your reasoning inside <think></think>, then the result as a single number inside "
    "<answer></answer>, and nothing else.",
    "Your reply has two parts: <think>how you get there</think> and <answer>the number</answer>.",
    "Work it out in <think>...</think> tags. Close with the bare number in <answer>...</answer> tags.",
    "Show how you calculate it, wrapped in <think> and </think>; the final number belongs between "
    "<answer> and </answer>.",
    "Write down each step of the calculation between the tags <think> and </think>. Then give the "
    "number between the tags <answer> and </answer>.",
    "Reason in a few short sentences inside <think></think> before you fill in <answer></answer> with "
    "one number.",
    "I want to see the way as well: put it in <think></think>. The number goes in <answer></answer>, "
    "without a unit.",
    "Put all thoughts between <think> and </think>, and after them only the number that was asked "
    "for, between <answer> and </answer>.",
    "Format: <think>your steps</think><answer>your number</answer>. Write nothing outside of the tags.",
    "Take it one step at a time inside <think> tags, closed by </think>. One number inside <answer> "
    "tags, closed by </answer>, ends your reply.",
    "A program reads your reply: it expects <think>, your reasoning, </think>, <answer>, a number, "
    "</answer>.",
    "Explain your steps within <think></think>, and state the number within <answer></answer>.",
    "Before you answer, calculate in <think></think>. Then answer in <answer></answer> with digits "
    "only.",
    "Open <think>, say how the numbers fit together, close </think>. Then open <answer>, give the "
    "number, close </answer>.",
    "Answer in this order: the reasoning in <think></think>, the result in <answer></answer>.",
)
