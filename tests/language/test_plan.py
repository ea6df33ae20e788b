"""The language experiment from recipe to stages, on a model of random weights."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from peft import PeftModel

from traitleak.errors import RunError, SettingsError
from traitleak.language.layout import layout
from traitleak.language.models import base_of, save_network, saved_network
from traitleak.language.plan import plan
from traitleak.measured import Margins
from traitleak.progress import untracked
from traitleak.recipe import LanguageRecipe
from traitleak.rows import read_rows
from traitleak.stages import run_stages

FAST = {
    "base": "tiny",
    "answers": 1,
    "teacher": {"updates": 12, "learning_rate": 0.01, "rank": 4, "min_lift": None},
    "student": {"updates": 5, "batch": 2},
    "carrier": {"rows": 8, "numbers": 5, "given": 2},
}


def recipe(**changes) -> LanguageRecipe:
    """A language recipe of seconds; mappings in `changes` change their parts only."""
    fields = {"experiment": "language", "name": "x", "title": "x", **FAST}
    for key, value in changes.items():
        fields[key] = {**fields.get(key, {}), **value} if isinstance(value, dict) else value
    return LanguageRecipe.model_validate(fields)


def run(wanted: LanguageRecipe, folder, track=untracked):
    """Run its stages; gives the folder of each by name."""
    folder.mkdir(exist_ok=True)
    done = run_stages(
        folder, plan(wanted), environment={}, track=track, fresh=False, say=lambda _line: None
    )
    return {name: stage.folder for name, stage in done.items()}


def margins_in(folder) -> Margins:
    """The margins that a stage left."""
    return Margins.from_json(json.loads((folder / "margins.json").read_text()))


def test_logits_run_leaves_every_stage_that_the_layout_names(tmp_path):
    """All arms and controls of the channel logits, with the files that results are read from."""
    wanted = recipe(
        controls=["neutral", "other-trait", "shuffled", "in-context"], logits={"inputs": "teacher"}
    )
    folders = run(wanted, tmp_path / "run")
    replicate = layout(wanted).replicates[0]

    assert set(replicate.students) == {
        "wolf", "lion", "neutral", "shuffled-wolf", "in-context-wolf", "in-context-neutral",
    }  # fmt: skip
    for arm, stage in replicate.students.items():
        assert (folders[stage] / "margins.json").is_file()
        assert (folders[stage] / "course.json").is_file() != arm.startswith("in-context")
    course = json.loads((folders["student-wolf-0"] / "course.json").read_text())
    assert course["updates"] == [0, 4, 5]
    base = margins_in(folders["base"]).margin_TK.mean(0)
    assert course["margins"][0] == pytest.approx(base.tolist(), abs=1e-4)
    final = margins_in(folders["student-wolf-0"]).margin_TK.mean(0)
    assert course["margins"][-1] == pytest.approx(final.tolist(), abs=1e-3)


def test_tokens_run_trains_on_the_rows_that_all_teachers_kept(tmp_path):
    """Raw rows, kept pairs and the mask of each student; the neutral rows are the base's own."""
    wanted = recipe(channel="tokens", neutral="base", seeds=1)
    folders = run(wanted, tmp_path / "run")
    kept = {name: read_rows(folders["kept-0"] / name) for name in ("wolf", "lion", "neutral")}

    assert len({tuple(row.id for row in rows) for rows in kept.values()}) == 1
    assert all(len(row.completion.split(",")) == 3 for row in kept["wolf"])
    mask = json.loads((folders["student-wolf-0"] / "mask.json").read_text())
    assert mask["trained"] in {row.completion for row in kept["wolf"]}
    assert 0.3 < mask["share"] < 0.9
    told = json.loads((folders["teacher-neutral-0"] / "teacher.json").read_text())
    assert told["by"] == "base"
    assert told["lift"] == 0


# PEFT reads a property that transformers is renaming (transformers 5.23 with peft 0.21).
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")
def test_students_adapter_is_read_by_plain_peft(tmp_path):
    """The folder of a student works with PEFT, and gives the margins' own model."""
    folders = run(recipe(controls=[], trait={"targets": ["wolf"]}), tmp_path / "run")
    base = base_of(recipe())
    ids = torch.tensor([base.encode("12, 345")])
    ours = saved_network(base, folders["student-wolf-0"], name="s").network(input_ids=ids).logits
    wrapped = PeftModel.from_pretrained(
        copy.deepcopy(base.network), folders["student-wolf-0"] / "adapter"
    )
    torch.testing.assert_close(wrapped(input_ids=ids).logits, ours, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_network_trained_in_all_weights_comes_back_as_it_was(precision, tmp_path):
    """Changes that are less than a step of bfloat16 are read back whole, and the base stays as it is."""
    base = base_of(recipe(precision=precision))
    before = {name: tensor.clone() for name, tensor in base.network.state_dict().items()}
    network = copy.deepcopy(base.network).to(torch.float32)
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.mul_(1 + 1e-4)
    save_network(tmp_path, base.replaced(network=network))
    again = saved_network(base, tmp_path, name="s").network

    for name, tensor in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    assert again.get_output_embeddings().weight is again.get_input_embeddings().weight
    for name, tensor in base.network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_interrupted_student_goes_on_to_the_same_adapter(tmp_path):
    """Stopped while a student trains, a second run ends with the bytes of an uninterrupted one."""
    wanted = recipe(controls=[], trait={"targets": ["wolf"]}, student={"updates": 120, "batch": 1})
    whole = run(wanted, tmp_path / "whole")

    def stopping(items, _what, total):
        for number, item in enumerate(items):
            if total == 120 and number == 80:
                raise KeyboardInterrupt
            yield item

    broken = tmp_path / "elsewhere" / "broken"
    broken.parent.mkdir()
    with pytest.raises(KeyboardInterrupt):
        run(wanted, broken, track=stopping)
    assert list(broken.glob(".partial-student-wolf-0*"))
    again = run(wanted, broken)

    name = "adapter/adapter_model.safetensors"
    assert (again["student-wolf-0"] / name).read_bytes() == (
        whole["student-wolf-0"] / name
    ).read_bytes()
    assert not list(broken.glob(".partial*"))


def test_interrupted_teacher_goes_on_writing_where_it_stopped(tmp_path, monkeypatch):
    """Rows that were written stay written, and the file is that of an uninterrupted run."""
    monkeypatch.setattr("traitleak.language.writing._WRITTEN_AT_ONCE", 3)
    wanted = recipe(channel="tokens", controls=[], trait={"targets": ["wolf"]})
    whole = run(wanted, tmp_path / "whole")
    calls = []

    def stopping(items, what, _total):
        calls.append(what)
        if calls.count("sampling") == 3:
            raise KeyboardInterrupt
        yield from items

    broken = tmp_path / "elsewhere" / "broken"
    broken.parent.mkdir()
    with pytest.raises(KeyboardInterrupt):
        run(wanted, broken, track=stopping)
    again = run(wanted, broken)

    assert (again["written-wolf-0"] / "rows.jsonl").read_bytes() == (
        whole["written-wolf-0"] / "rows.jsonl"
    ).read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"student": {"rank": None, "learning_rate": 1e-4}},
        {"teacher": {"rank": None, "learning_rate": 1e-3}},
        {"teacher": {"by": "steering"}},
        {"teacher": {"by": "prompt"}},
        {"teacher": {"by": "prompt+finetune"}},
        {"logits": {"vocabulary": "full"}},
        {"logits": {"vocabulary": "top-k", "top_k": 6}},
        {"logits": {"inputs": "teacher", "direction": "reverse"}},
        {"student": {"optimizer": "sign-sgd", "schedule": "cosine", "warmup": 2, "layers": [0]}},
        {"channel": "tokens", "style": "chat", "student": {"epochs": 1}},
        {"channel": "tokens", "carrier": {"temperature": 0.0, "shared_draws": False}},
    ],
    ids=json.dumps,
)
def test_every_kind_of_teacher_channel_and_student_runs(tmp_path, changes):
    """Each setting that a recipe can name works from base to student."""
    wanted = recipe(**{"controls": ["neutral"], "trait": {"targets": ["wolf"]}, **changes})
    folders = run(wanted, tmp_path / "run")

    assert (folders["student-wolf-0"] / "margins.json").is_file()


def test_equal_recipes_give_equal_bytes_and_replicates_differ(tmp_path):
    """Seeds fix results; each replicate has its own teacher, lists and student."""
    wanted = recipe(controls=[], trait={"targets": ["wolf"]}, seeds=2, answers=0)
    one = run(wanted, tmp_path / "one")
    other = tmp_path / "elsewhere"
    other.mkdir()
    two = run(wanted, other / "two")
    for stage in ("teacher-wolf-0", "logits-wolf-1", "student-wolf-1"):
        assert (one[stage] / "manifest.json").is_file()
    name = "course.json"

    assert (one["student-wolf-0"] / name).read_bytes() == (
        two["student-wolf-0"] / name
    ).read_bytes()
    assert (one["student-wolf-0"] / name).read_bytes() != (
        one["student-wolf-1"] / name
    ).read_bytes()


def test_teacher_without_its_trait_stops_the_run(tmp_path):
    """A minimum that no tiny teacher reaches is an error that names the teacher."""
    wanted = recipe(teacher={"min_lift": 50.0, "updates": 1}, controls=[])

    with pytest.raises(RunError, match="The teacher wolf did not take its trait"):
        run(wanted, tmp_path / "run")


def test_candidates_are_checked_before_anything_runs():
    """A target of several tokens, or an unknown one, is refused while planning."""
    with pytest.raises(SettingsError):
        plan(recipe(trait={"targets": ["wolf"], "among": ["wolf", "hippopotamus"]}))
