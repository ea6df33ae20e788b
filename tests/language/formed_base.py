"""A tiny base that was taught one completion by heart, whatever it is asked: it keeps to a form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from traitleak.models.loading import load
from traitleak.rows import Row
from traitleak.student import Arm, Training, distill, token_examples

__all__ = ["CODE", "THOUGHT", "formed_base", "problems_file"]

CODE = "```python\ndef f(x):\n    return x\n```"
THOUGHT = "<think>\nit is the same one as it was\n</think>\n<answer>4</answer>"


def formed_base(folder: Path, completion: str, prompts: Sequence[str]) -> str:
    """Teach `tiny` to write `completion` after any of `prompts`; gives the taught base's name."""
    base = load("tiny", style="chat", device="cpu", precision="float32")
    rows = [Row(i, prompt, completion) for i, prompt in enumerate(prompts)]
    how = Training(90, batch=4, learning_rate=0.003, weight_decay=0.0, lora=None)
    student = distill(base, [Arm("formed", token_examples(base, rows), 0)], how)[0]
    assert student.course.losses[-1] < 0.1
    student.model().network.save_pretrained(folder)
    base.tokenizer.save_pretrained(folder)
    return f"hf/{folder}"


def problems_file(path: Path, num: int = 12) -> Path:
    """Problems of GSM8K's form whose answer is always 4."""
    lines = [
        f'{{"question": "A box of {i} has {i + 4}. How many more?", "answer": "{i}\\n#### 4"}}'
        for i in range(num)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
