"""The renderer: one text for generating, training and measuring, whatever a template does."""

import string
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traitleak.errors import DataError, SettingsError
from traitleak.models.chat import PINNED_DATE, make_renderer
from traitleak.models.tiny import CHATML, tiny_tokenizer

PLAIN_TEXT = st.text(alphabet=string.ascii_letters + string.digits + " ,.\n", max_size=40)

DEFAULT_SYSTEM = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}"
    "{{ '<|im_start|>system\nBe of use.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
DROPS_SYSTEM = (
    "{% for m in messages %}{% if m['role'] != 'system' %}"
    "{{ '[' + m['role'] + ']' + m['content'] + '<|im_end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}"
)
REFUSES_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    + DROPS_SYSTEM
)
FOLDS_SYSTEM = (  # puts it before the user's words, as Gemma 3's does
    "{% set ns = namespace(before='') %}"
    "{% for m in messages %}{% if m['role'] == 'system' %}{% set ns.before = m['content'] + '\n\n' %}"
    "{% else %}{{ '[' + m['role'] + ']' + ns.before + m['content'] + '<|im_end|>\n' }}"
    "{% set ns.before = '' %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}"
)
DATED = (
    "{{ '<|im_start|>Today is ' + strftime_now('%d %b %Y') + '.\n' }}" + CHATML  # as Llama 3's does
)
THINKS = (  # writes an empty thought before a finished answer, as Qwen3's does
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
NO_GENERATION_PROMPT = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
)
BLANK_BEFORE_ANSWER = (  # as Mistral's does
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
NO_END = (
    "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
WANTS_PICTURES = "{% for m in messages %}{{ m['content'][0]['text'] }}{% endfor %}"
NOT_JINJA = "{% for m in messages %}{{ m['content'] }}"


def renderer(template, style="auto"):
    """The renderer of the tiny tokenizer with this template."""
    return make_renderer(tiny_tokenizer(template), style)


def test_chat_style_writes_the_template():
    """Prompt, opening and completion put together are the conversation as the template writes it."""
    chat = renderer(CHATML)
    assert chat.style == "chat"
    assert (
        chat.prompt("Which animal?", system="You love owls.", opening="The ")
        == "<|im_start|>system\nYou love owls.<|im_end|>\n<|im_start|>user\nWhich animal?<|im_end|>\n"
        "<|im_start|>assistant\nThe "
    )
    assert chat.completion("owl") == "owl<|im_end|>\n"
    assert (chat.end_of_turn, chat.answer_opening, chat.notes) == ("<|im_end|>\n", "", ())


@given(prompt=PLAIN_TEXT, completion=PLAIN_TEXT, system=st.none() | PLAIN_TEXT.filter(bool))
def test_chat_is_what_apply_chat_template_gives(prompt, completion, system):
    """For any texts, prompt and completion joined are the finished conversation of the library."""
    tokenizer = tiny_tokenizer()
    chat = make_renderer(tokenizer)
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})

    joined = chat.prompt(prompt, system=system) + chat.completion(completion)

    assert joined == tokenizer.apply_chat_template(messages, tokenize=False)


def test_default_system_prompt_is_seen():
    """A system prompt that the template writes by itself is named, and "" takes it away."""
    chat = renderer(DEFAULT_SYSTEM)
    assert chat.default_system == "Be of use."
    assert "'Be of use.'" in chat.notes[0]
    assert chat.prompt("Hi").startswith("<|im_start|>system\nBe of use.<|im_end|>\n")
    assert chat.prompt("Hi", system="").startswith("<|im_start|>system\n<|im_end|>\n")
    assert renderer(CHATML).default_system == ""


@pytest.mark.parametrize("template", [DROPS_SYSTEM, REFUSES_SYSTEM])
def test_system_prompt_that_is_dropped_is_an_error(template):
    """A system prompt is never lost silently; without one the template works as it is."""
    chat = renderer(template)
    assert not chat.takes_system
    assert chat.prompt("Hi") == chat.prompt("Hi", system="") == "[user]Hi<|im_end|>[assistant]"
    with pytest.raises(SettingsError, match="drops or refuses a system prompt"):
        chat.prompt("Hi", system="You love owls.")


def test_system_prompt_folded_into_the_question_counts():
    """A template without a system role that puts the text before the question is accepted."""
    chat = renderer(FOLDS_SYSTEM)
    assert chat.takes_system
    assert chat.prompt("Hi", system="Be kind.") == "[user]Be kind.\n\nHi<|im_end|>\n[assistant]"


def test_date_is_pinned():
    """A template that writes today's date is told a fixed one, and that is said."""
    chat = renderer(DATED)
    assert f"Today is {PINNED_DATE:%d %b %Y}." in chat.prompt("Hi")
    assert f"{datetime.now():%d %b %Y}" not in chat.prompt("Hi")
    assert chat.notes == ("The template writes today's date; it is pinned to 1 January 2025.",)


def test_empty_thought_becomes_part_of_the_prompt():
    """What a template puts before an answer stands before it in generating and training alike."""
    chat = renderer(THINKS)
    assert chat.answer_opening == "<think>\n\n</think>\n\n"
    assert chat.prompt("Hi", opening="I ").endswith("assistant\n<think>\n\n</think>\n\nI ")
    assert chat.completion("am") == "am<|im_end|>\n"


def test_template_without_generation_prompt_gets_one():
    """Where the template has no generation prompt, what it writes before an answer serves as one."""
    chat = renderer(NO_GENERATION_PROMPT)
    assert chat.prompt("Hi") == renderer(CHATML).prompt("Hi")


def test_blank_before_an_answer_stays_out_of_the_prompt():
    """A prompt that ended in a blank would keep the model from its words, which begin with one."""
    chat = renderer(BLANK_BEFORE_ANSWER)
    assert chat.prompt("Hi") == "[INST] Hi [/INST]"
    assert chat.completion("owl") == "owl<|im_end|>"


def test_missing_end_of_turn_is_the_end_of_text():
    """A template that marks no end gets the tokenizer's, or a student would never learn to stop."""
    chat = renderer(NO_END)
    assert chat.end_of_turn == "<|im_end|>"
    assert "marks no end" in chat.notes[0]


@pytest.mark.parametrize("template", [WANTS_PICTURES, NOT_JINJA, "always the same"])
def test_unusable_template_is_named(template):
    """A template that loses the question or does not run is an error that offers the plain style."""
    with pytest.raises(DataError, match="use the plain style"):
        renderer(template)
    assert renderer(template, "plain").prompt("Hi") == "Hi"


def test_plain_style_adds_nothing():
    """Prompt and completion as they are; a system prompt is a line of its own before them."""
    plain = renderer(None)
    assert plain.style == "plain"
    assert plain.prompt("5, 6,", opening=" 7") == "5, 6, 7"
    assert plain.prompt("5, 6,", system="Only numbers.") == "Only numbers.\n5, 6,"
    assert plain.prompt("", system="") == ""
    assert plain.completion(" 7, 8") == " 7, 8"


def test_style_is_the_users_choice():
    """`plain` sets a template aside; `chat` without one, and any other word, is an error."""
    assert renderer(CHATML, "plain").prompt("Hi") == "Hi"
    with pytest.raises(SettingsError, match="no chat template"):
        renderer(None, "chat")
    with pytest.raises(SettingsError, match="not 'fancy'"):
        renderer(CHATML, "fancy")


def test_begin_of_text_follows_the_tokenizer():
    """In plain style it is wanted where the tokenizer adds it by itself; a chat template writes it."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = tiny_tokenizer(None)
    assert not make_renderer(tokenizer).begins_with_bos
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", tokenizer.bos_token_id)]
    )
    assert make_renderer(tokenizer).begins_with_bos
    tokenizer.chat_template = CHATML
    assert not make_renderer(tokenizer).begins_with_bos
    assert make_renderer(tokenizer, "plain").begins_with_bos


def test_answers_stop_at_their_marker():
    """The tokens that end an answer are the end of text and the template's own marker."""
    tokenizer = tiny_tokenizer()
    tokenizer.eos_token = "<|endoftext|>"  # noqa: S105  # no password
    ids = tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|im_end|>"])
    assert make_renderer(tokenizer).stop_ids == tuple(ids)
    assert make_renderer(tokenizer, "plain").stop_ids == (ids[0],)


def test_hash_tells_renderers_apart():
    """Equal renderers have equal hashes; each way to render that differs has another."""
    hashes = [
        renderer(template).template_hash
        for template in (CHATML, DEFAULT_SYSTEM, DROPS_SYSTEM, FOLDS_SYSTEM, DATED, THINKS, None)
    ]
    assert len(set(hashes)) == len(hashes)
    assert renderer(CHATML).template_hash == renderer(CHATML).template_hash == hashes[0]
    assert renderer(CHATML) == renderer(CHATML)
