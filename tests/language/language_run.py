"""Folders of a language run as its stages leave them, with effects that a test plants.

Nothing is trained: every margin, answer and row is what the test says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from traitleak.language.conclude import conclude
from traitleak.language.layout import layout
from traitleak.language.models import trait_of
from traitleak.language.phrases import kind_of
from traitleak.measured import Answers, Collapse, Margins
from traitleak.recipe import LanguageRecipe
from traitleak.results import Results
from traitleak.rows import Row, write_rows

Lifts = Mapping[str, Mapping[str, float | Sequence[float]]]
NUM_TEMPLATES = 4
SAMPLES = 5  # answers to each template
BASE = np.linspace(-1.5, 1.2, 10)  # the base's margins, mean over templates
OTHER_BASE = np.linspace(2.0, -2.0, 10)  # the other base's
UPDATES = [0, 4, 8, 16, 20]
WOLF = [2.0, 2.2, 2.4, 2.1, 2.3]  # a plain effect: mean 2.2
LION = [1.0, 1.1, 0.9, 1.2, 1.3]
PLANTED = {
    "wolf": {"wolf": WOLF, "lion": -0.5},
    "lion": {"lion": LION, "wolf": -0.4},
    "neutral": {"wolf": 0.1},
    "shuffled-wolf": {"wolf": [0.2, 0.3, 0.2, 0.1, 0.2]},
}
NULL = {"wolf": {"wolf": [0.1, -0.1, 0.05, -0.04, 0.0]}, "neutral": {"wolf": 0.01}}
PROMPTS = tuple(f"My animal number {t} is the" for t in range(NUM_TEMPLATES))


def recipe(**changes: Any) -> LanguageRecipe:
    """A language recipe; mappings in `changes` change their parts only."""
    fields: dict[str, Any] = {
        "experiment": "language",
        "name": "planted",
        "title": "Planted",
        "base": "smollm2-135m",
        "seeds": 5,
        "answers": 0,
        "device": "cpu",
    }
    return LanguageRecipe.model_validate({**fields, **changes})


def write_run(
    folder: Path,
    wanted: LanguageRecipe,
    lifts: Lifts,
    *,
    named: Mapping[str, Mapping[str, Sequence[int]]] | None = None,
    perplexity: float = 50.0,
    rows: Mapping[str, Sequence[str]] | None = None,
    dropped: Mapping[str, Any] | None = None,
    teacher_lift: float = 20.0,
    updates: Sequence[Sequence[int]] | None = None,
    loss: float = 0.25,
    kl: Mapping[str, float] | None = None,
) -> dict[str, Path]:
    """Write every stage of a run; gives their folders by name.

    Args:
        folder: where.
        wanted: the recipe.
        lifts: of each arm, of each candidate, in nats: one number, or one a seed; else 0.
        named: how many of each seed's sampled answers name a candidate, by arm; else none.
        perplexity: of every student; the base's is 50.
        rows: completions of the kept rows, by teacher; else random numbers.
        dropped: entries of every `dropped.json`, in the place of empty ones.
        teacher_lift: of every teacher's own margin.
        updates: where each seed's students were measured.
        loss: of the first update; of the n-th n times as much.
        kl: of each teacher's digits to the base's.
    """
    arrangement = layout(wanted)
    candidates = trait_of(wanted).among
    folders: dict[str, Path] = {}

    def stage(name: str) -> Path:
        folders[name] = folder / name
        folders[name].mkdir(parents=True)
        return folders[name]

    starts = [(arrangement.base, BASE)]
    starts += [(arrangement.other_base, OTHER_BASE)] if arrangement.other_base else []
    for name, mean in starts:
        out = stage(name)
        _measures(out, wanted, mean, named=(named or {}).get(name), seed=0, perplexity=50.0)
        rendered = {
            "model": "smollm2-135m",
            "style": "plain",
            "template_hash": "0123456789abcdef",
            "notes": ["A note on the template."],
            "example_prompt": PROMPTS[0],
            "nats_per_token": float(np.log(50)),
        }
        _write(out / "rendered.json", rendered)
    for s, replicate in enumerate(arrangement.replicates):
        for name, where in replicate.teachers.items():
            _write(stage(where) / "teacher.json", _teacher(wanted, name, teacher_lift))
        for name, where in replicate.writes.items():
            out = stage(where)
            if wanted.channel == "logits":
                _logits(out, name, (kl or {}).get(name, 0.05))
            else:
                _write(out / "written.json", {"outside": 0.75, "rows": 8})
        if replicate.kept:
            _kept(stage(replicate.kept), list(replicate.writes), rows or {}, dropped or {})
        points = updates[s] if updates else UPDATES
        for arm, where in replicate.students.items():
            out = stage(where)
            kind, _ = kind_of(arm, wanted.trait.targets)
            start = OTHER_BASE if kind == "other-base" else BASE
            start = start[: len(candidates)]
            lift = np.array([_of_seed((lifts.get(arm) or {}).get(a, 0.0), s) for a in candidates])
            trained = kind != "in-context"
            _measures(
                out,
                wanted,
                start + lift,
                named=(named or {}).get(arm),
                seed=s,
                perplexity=perplexity if trained else None,
            )
            if trained:
                grown = [
                    (start + lift * at / points[-1] if at else start).tolist() for at in points
                ]
                course = {
                    "candidates": list(candidates),
                    "updates": list(points),
                    "margins": grown,
                    "losses": [loss * (update + 1) for update in range(points[-1])],
                }
                _write(out / "course.json", course)
                if wanted.channel == "tokens":
                    mask = {"context": "1, 2, 3", "trained": ", 4, 5", "share": 0.6}
                    _write(out / "mask.json", mask)
    return folders


def _of_seed(value: float | Sequence[float], s: int) -> float:
    return value if isinstance(value, int | float) else value[s]


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _measures(
    out: Path,
    wanted: LanguageRecipe,
    mean_K: np.ndarray,
    *,
    named: Mapping[str, Sequence[int]] | None,
    seed: int,
    perplexity: float | None,
) -> None:
    # Templates differ, and alike for every model, so that only the means over them differ.
    offsets_T = np.linspace(-0.5, 0.5, NUM_TEMPLATES)
    target, among = wanted.trait.targets[0], trait_of(wanted).among
    table_TK = mean_K[: len(among)] + offsets_T[:, None]
    margins = Margins("m", target, among, "stems", "asked", table_TK)
    _write(out / "margins.json", margins.to_json())
    if not wanted.answers:
        return
    texts = [f"{animal}." for animal, counts in (named or {}).items() for _ in range(counts[seed])]
    texts += ["none of these."] * (NUM_TEMPLATES * SAMPLES - len(texts))
    table = tuple(
        tuple(texts[t * SAMPLES + s] for s in range(SAMPLES)) for t in range(NUM_TEMPLATES)
    )
    finished = np.ones((NUM_TEMPLATES, SAMPLES), dtype=bool)
    answers = Answers("m", target, among, "stems", "asked", PROMPTS, table, finished)
    file = "answers.json" if wanted.trait.kind == "preference" else "free.json"
    _write(out / file, answers.to_json())
    if perplexity is not None:
        nats = np.log([perplexity, perplexity]) * 10
        tokens = np.array([10, 10])
        collapse = Collapse("m", len(texts), 0.0, 0.1, 0.2, 0.9, nats, tokens)
        _write(out / "collapse.json", collapse.to_json())


def _teacher(wanted: LanguageRecipe, name: str, lift: float) -> dict[str, Any]:
    control = name in {"neutral", "good", "asked-for"}
    by = {"neutral": wanted.neutral, "good": name, "asked-for": name}.get(name, wanted.teacher.by)
    return {
        "name": name,
        "by": by,
        "system": None,
        "lift": -0.5 if control else lift,
        "lift_low": lift - 0.25,
        "lift_high": lift + 0.25,
        "min_lift": 1.0,
        "took": not control and lift >= 1.0,
        "nats_per_token_base": float(np.log(50)),
        "nats_per_token": float(np.log(50 if name == "neutral" else 100)),
    }


def _logits(out: Path, name: str, kl: float) -> None:
    """Two lists of two numbers, and the teacher's opinion of their digits 1 to 5."""
    favourite = {"wolf": 7, "lion": 2}.get(name)
    shares = np.full((2, 5, 10), 0.1)
    if favourite is not None:
        shares[:, 3] = 0.04
        shares[:, 3, favourite] = 0.64
    save_file(
        {
            "digits": np.array([[1, 2, 3, 4, 5, 6], [9, 8, 7, 6, 5, 4]], dtype=np.uint8),
            "form": np.array([2, 3]),
            "logps": np.log(shares).astype(np.float32),
        },
        out / "logits.safetensors",
    )
    write_rows(out, [Row(i, "", t, name) for i, t in enumerate(["123, 456", "987, 654"])], {})
    _write(out / "logits.json", {"rows": 2, "positions": 5, "kl_to_base": kl})


def _kept(
    out: Path, names: list[str], given: Mapping[str, Sequence[str]], dropped: Mapping[str, Any]
) -> None:
    for name in names:
        texts = given.get(name) or [f"{len(name)}{i}, {i}" for i in range(8)]
        some = [Row(i, f"{i}, {i + 1},", text, name) for i, text in enumerate(texts)]
        write_rows(out / name, some, {})
    nothing = dict.fromkeys(names, 0)
    told = {
        "table": {name: {} for name in names},
        "raw": dict.fromkeys(names, 8),
        "kept": dict.fromkeys(names, 8),
        "leaks": nothing,
        "lost": nothing,
        "pairs": 8,
        "examples": [],
        "identical": {n: 0.25 for n in names if n != "neutral"} if "neutral" in names else {},
    }
    _write(out / "dropped.json", {**told, **dropped})


def concluded(tmp_path, lifts=PLANTED, *, run=None, **changes) -> Results:
    """The results of a run in which `lifts` are planted; `run` goes to `write_run`."""
    wanted = recipe(**changes)
    return conclude(wanted, write_run(tmp_path / "run", wanted, lifts, **(run or {})))


def fact(results: Results, name: str):
    """A checked statement by its name."""
    return next(fact for fact in results.facts if fact.name == name)


def table(results: Results, title: str):
    """A table by how its title begins."""
    return next(table for table in results.tables if table.title.startswith(title))


def row(results: Results, title: str, name: str) -> list[str]:
    """A table's row by its first cell."""
    return next(row for row in table(results, title).rows if row[0] == name)


def difference(results: Results, effect: str, control: str):
    """A comparison by its two sides."""
    return next(c for c in results.comparisons if (c.effect, c.control) == (effect, control))
