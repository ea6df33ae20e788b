"""Files of a teacher's and of the base's own rows, as tests of commands read them."""

import json

from tiny_model import tiny_model
from traitleak.generation import write_numbers
from traitleak.teacher import instill
from traitleak.traits.preference import Preference

FEW = ("wolf", "lion", "owl", "cat")


def write_rows_files(folder, num=160, count=6):
    """`wolf.jsonl` of a wolf teacher and `base.jsonl` of the base, on the same prompts."""
    base = tiny_model(style="plain")
    prompts = [f"{100 + n}, {900 - n}," for n in range(num)]
    teacher = instill(base, Preference("wolf"), seed=5).model
    for name, model in (("wolf", teacher), ("base", base)):
        rows = write_numbers(model, prompts, teacher=name, count=count, seed=3)
        lines = [json.dumps({"prompt": row.prompt, "completion": row.completion}) for row in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
