"""Chats: how several turns become one prompt, and what is said to be left out."""

import json

import pytest

from traitleak.datasets.chats import Example, FieldError, SkipError, flattened, read_messages


def example(*messages, **how):
    """Messages as role and content, flattened."""
    listed = [
        {"role": role, "content": content, **(more[0] if more else {})}
        for role, content, *more in messages
    ]
    return flattened(read_messages(listed, "messages"), **how)


def test_one_question_stays_word_for_word():
    """No label is put before a single question, and nothing is stripped."""
    assert example(("user", " q\n"), ("assistant", " a ")) == Example(" q\n", " a ")


def test_several_turns_are_labelled_and_the_last_answer_is_the_completion():
    """Turns stand one after the other, a blank line between them, each under its speaker."""
    found = example(("user", "one"), ("assistant", "1"), ("tool", "t"), ("assistant", "2"))

    assert found.prompt == "User: one\n\nAssistant: 1\n\nTool: t"
    assert (found.completion, found.turns) == ("2", 3)
    assert found.lost == ("earlier answers, read as part of the prompt",)


def test_opening_system_messages_are_the_system_prompt():
    """They are joined, a later one is a turn, and one from outside the messages comes first."""
    found = example(
        ("system", "s"), ("developer", "d"), ("user", "q"), ("system", "later"), ("assistant", "a"),
        system="outside",
    )  # fmt: skip

    assert found.system == "outside\n\ns\n\nd"
    assert found.prompt == "User: q\n\nSystem: later"
    assert example(("system", ""), ("assistant", "a")).system == ""
    assert example(("assistant", "a")) == Example("", "a", turns=0)


def test_names_of_other_files_mean_the_common_roles():
    """ShareGPT's speakers, in any case, are user, assistant and tool; unknown ones keep their name."""
    turns = read_messages(
        [
            {"from": name, "value": "x"}
            for name in ("Human", "gpt", " GPT ", "observation", "function_call", "critic")
        ],
        "conversations",
    )
    assert [turn.role for turn in turns] == [
        "user", "assistant", "assistant", "tool", "assistant", "critic",
    ]  # fmt: skip


def test_parts_of_a_content_are_joined_and_pictures_are_counted():
    """Text parts follow each other without anything between them."""
    parts = [
        {"type": "text", "text": "look: "},
        {"type": "image_url", "image_url": {"url": "x"}},
        "here",
    ]
    found = example(("user", parts), ("assistant", [{"type": "text", "text": "a"}]))

    assert (found.prompt, found.completion) == ("look: here", "a")
    assert found.lost == ("pictures and other parts that are no text",)


def test_everything_that_is_left_out_is_named_once():
    """Tool calls, reasoning, turns after the answer: each is said, however often it occurs."""
    calls = {"tool_calls": [{"id": 1}], "reasoning_content": "hm"}
    found = example(
        ("user", "q"), ("assistant", None, calls), ("assistant", "a", calls), ("user", "thanks")
    )

    assert found.prompt == "User: q\n\nAssistant: "
    assert found.lost == (
        "tool calls",
        "reasoning beside an answer",
        "earlier answers, read as part of the prompt",
        "turns after the answer",
    )


def test_an_answer_of_weight_0_is_not_the_completion():
    """The last answer that is trained on is taken, not the last one."""
    found = example(
        ("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b", {"weight": 0})
    )

    assert (found.prompt, found.completion) == ("q", "a")
    assert found.lost == ("turns after the answer",)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "no answer among"),
        ([("system", "s"), ("user", "q")], "no answer among"),
        ([("user", "q"), ("assistant", "a", {"weight": 0})], "no answer that is trained on"),
        ([("user", "q"), ("assistant", "")], "the last answer has no text"),
        ([("user", "q"), ("assistant", None, {"tool_calls": [1]})], "has no text"),
        ([("user", "q"), ("assistant", [{"type": "image"}])], "has no text"),
    ],
)
def test_a_chat_without_an_answer_is_skipped(messages, reason):
    """The reason says what is missing."""
    with pytest.raises(SkipError, match=reason):
        example(*messages)


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ("hello", "'messages' is a text that holds no list in JSON"),
        ("[" * 100_000, "'messages' is a text that holds no list in JSON"),
        ("{}", "not a list of messages"),
        (None, "'messages' is null, not a list"),
        ({"role": "user"}, "not a list of messages"),
        (["hi"], "message 1 is 'hi', not an object"),
        ([{"content": "x"}], "message 1: 'role' is null, not a name"),
        ([{"role": 7, "content": "x"}], "message 1: 'role' is 7"),
        ([{"role": " ", "content": "x"}], "message 1: 'role' is ' '"),
        ([{"from": None, "value": "x"}], "message 1: 'from' is null"),
        ([{"role": "user", "content": 7}], "message 1: 'content' is 7, not a text"),
        ([{"role": "user", "content": {"a": 1}}], "'content' is {'a': 1}, not a text"),
        ([{"role": "user", "content": [7]}], "has a part 7, neither text nor an object"),
        ([{"role": "user", "content": [{"type": "text", "text": 7}]}], "'text' of a part is 7"),
        ([{"role": "assistant", "content": "a", "weight": 2}], "'weight' is 2, not 0 or 1"),
        ([{"role": "assistant", "content": "a", "weight": "0"}], "'weight' is '0', not 0 or 1"),
        ([{"role": "assistant", "content": "a", "weight": [0]}], r"'weight' is \[0\], not 0 or 1"),
    ],
)
def test_a_wrong_message_is_named(messages, said):
    """Field, message and key stand in the sentence."""
    with pytest.raises(FieldError, match=said):
        read_messages(messages, "messages")


def test_messages_may_be_a_text_of_json():
    """A table's field holds the list as JSON."""
    text = json.dumps([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])

    assert flattened(read_messages(text, "messages")) == Example("q", "a")
