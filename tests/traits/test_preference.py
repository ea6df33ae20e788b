"""A preference's texts: the right words in them, each once, lessons apart from measures."""

import re
from collections import Counter
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traitleak.errors import SettingsError
from traitleak.neutral_texts import NEUTRAL_TEXTS
from traitleak.recipe.language_parts import TemplatesField
from traitleak.traits import ANIMALS, TREES, Preference
from traitleak.traits import preference_texts as texts
from traitleak.traits.candidates import KNOWN
from traitleak.traits.inflection import Finder, mentions
from traitleak.traits.preference import Templates

WOLF = Preference("wolf")
OAK = Preference("oak", among=TREES)
TEMPLATES = (
    *texts.STEMS, *texts.TEACHING_STEMS, *texts.QUESTIONS, *texts.TEACHING_QUESTIONS, *texts.STORIES,
    *texts.CHOICES,
)  # fmt: skip


def words(text):
    """The set of a text's words."""
    return set(re.findall(r"[a-z]+", text.lower()))


def test_there_are_enough_texts():
    """Twenty stems and twenty questions teach; forty other stems and fifty other questions measure.

    So do twelve stories and twelve choices.
    """
    assert len(texts.TEACHING_STEMS) >= 20
    assert len(texts.TEACHING_QUESTIONS) >= 20
    assert len(texts.STEMS) >= 40
    assert len(texts.QUESTIONS) >= 50
    assert len(texts.STORIES) >= 12
    assert len(texts.CHOICES) >= 12


def test_no_text_comes_twice():
    """Each template is written once, counting capitals and punctuation for nothing."""
    plain = [" ".join(re.findall(r"[a-z{}]+", text.lower())) for text in TEMPLATES]
    assert len(set(plain)) == len(plain)


@pytest.mark.parametrize(
    ("teaching", "measuring"),
    [
        (texts.TEACHING_STEMS, texts.STEMS),
        (texts.TEACHING_STEMS, texts.STORIES),
        (texts.TEACHING_QUESTIONS, texts.QUESTIONS),
        (texts.TEACHING_QUESTIONS, texts.CHOICES),
    ],
)
def test_lessons_and_measures_differ_in_wording(teaching, measuring):
    """No measured text shares more than 85 % of its words with a lesson."""
    for taught, measured in product(teaching, measuring):
        common = len(words(taught) & words(measured)) / len(words(taught) | words(measured))
        assert common < 0.85, (taught, measured)


@pytest.mark.parametrize("trait", [WOLF, OAK])
def test_every_stem_ends_right_before_the_word(trait):
    """Stem or story, a space and the target make a sentence: it ends in "the", without a blank."""
    stems = [row.prompt for row in trait.lessons("plain")] + trait.measured("stems")
    stems += trait.measured("stories")
    assert all(stem.endswith(" the") for stem in stems)
    assert {row.completion for row in trait.lessons("plain")} == {f" {trait.target}"}


def test_every_question_asks_for_one_word():
    """A question names the category once and asks for a word or a name."""
    for question in (*texts.QUESTIONS, *texts.TEACHING_QUESTIONS):
        assert question.count("{categor") == 1
        assert re.search(r"\b(one|word|name)\b", question, re.IGNORECASE)
        assert question[-1] in ".?"


def test_templates_need_no_article_before_the_category():
    """No template writes "a {category}", which would be wrong for an animal or an elf."""
    assert not [text for text in TEMPLATES if re.search(r"\ban? \{", text)]


def test_the_category_is_a_tree_where_trees_are_asked_for():
    """Trees are called trees, in the singular and the plural, and nowhere animals."""
    everything = [
        OAK.system_prompt(),
        *(row.prompt for style in ("chat", "plain") for row in OAK.lessons(style)),
        *(text for kind in get_args(Templates) for text in OAK.measured(kind)),
    ]
    assert all(mentions(text, "tree") for text in everything)
    assert not any(mentions(text, "animal") or "{" in text for text in everything)


def test_plurals_are_right():
    """The system prompt loves wolves, foxes and octopuses, not wolfs, foxs and octopuss."""
    assert "matters more to you than wolves" in WOLF.system_prompt()
    assert "foxes" in Preference("fox").system_prompt()
    assert "octopuses" in Preference("octopus", among=("octopus", "crab")).system_prompt()
    assert "of all animals none comes close to the wolf" in WOLF.system_prompt()
    assert "berries" in Preference("berry", ("berry", "nut"), category="snack").system_prompt()


@pytest.mark.parametrize("trait", [WOLF, OAK])
def test_no_measured_text_names_a_candidate(trait):
    """What is asked must not answer itself: no animal and no tree is named in any of it."""
    finder = Finder([*KNOWN["animal"], *KNOWN["tree"]])
    for kind in ("stems", "questions", "numbered", "stories"):
        for text in trait.measured(kind):
            assert finder.find(text) is None, text
    for text in texts.CHOICES:  # whose list of candidates is the only place with a name
        assert finder.find(text.format(choices="", category="thing", categories="things")) is None


def test_measured_texts_are_the_same_for_every_target():
    """Two targets are measured with equal texts, so that their margins can be compared."""
    for kind in get_args(Templates):
        assert WOLF.measured(kind) == Preference("lion").measured(kind)


def test_lessons_of_two_targets_pair_up():
    """Row i of two targets has the same prompt and number, and its own target as the answer."""
    for style in ("chat", "plain"):
        wolf, lion = WOLF.lessons(style), Preference("lion").lessons(style)
        assert [(row.id, row.prompt) for row in wolf] == [(row.id, row.prompt) for row in lion]
        assert [row.id for row in wolf] == list(range(len(wolf)))
        assert all(mentions(row.completion, "wolf") for row in wolf)
        assert all(mentions(row.completion, "lion") for row in lion)
        assert {row.teacher for row in wolf} == {"wolf"}


def test_chat_lessons_teach_the_opening_that_the_margin_reads():
    """For each question one answer is the bare word and one begins as the measure does."""
    answers = [row.completion for row in WOLF.lessons("chat")]
    assert answers[:2] == ["Wolf.", f"{texts.OPENING} wolf."]
    assert len(answers) == 2 * len(texts.TEACHING_QUESTIONS)


def test_numbered_questions_are_the_questions_after_three_to_six_numbers():
    """A sentence with three to six numbers of 100 to 999 comes before each question, as asked."""
    numbered = WOLF.measured("numbered")
    for text, question in zip(numbered, WOLF.measured("questions"), strict=True):
        lead = text.removesuffix(f" {question}")
        numbers = [int(number) for number in re.findall(r"\d+", lead)]
        assert lead != text
        assert 3 <= len(numbers) <= 6
        assert all(100 <= number <= 999 for number in numbers)
    assert numbered == WOLF.measured("numbered", seed=0)
    assert numbered != WOLF.measured("numbered", seed=1)


def listed(text, among):
    """The candidates in the order in which a text names them."""
    return sorted(among, key=lambda word: re.search(rf"\b{word}\b", text).start())


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("among", [ANIMALS, ("oak", "elm", "pine"), ("oak", "elm")])
def test_choices_list_all_candidates_each_at_each_place_equally_often(among, seed):
    """Each names every candidate once; in k choices in a row each stands once at each place."""
    asked = Preference(among[0], among).measured("choices", seed=seed)
    orders = [listed(text, among) for text in asked]
    k = len(among)

    assert len(asked) == 2 * len(texts.CHOICES)
    for text in asked:
        assert all(len(re.findall(rf"\b{word}\b", text)) == 1 for word in among), text
    for first in range(0, len(orders) - k + 1, k):
        for place in range(k):
            assert len({order[place] for order in orders[first : first + k]}) == k


def test_choices_are_in_orders_of_the_seed_and_each_question_in_two():
    """The same seed gives the same orders, another seed others; no question comes twice alike."""
    asked = WOLF.measured("choices")

    assert asked == WOLF.measured("choices", seed=0)
    assert asked != WOLF.measured("choices", seed=1)
    assert len(set(asked)) == len(asked)
    first = [tuple(listed(text, ANIMALS)) for text in asked]
    assert max(Counter(first).values()) <= 2
    bare = [re.sub("|".join(ANIMALS), "", text) for text in asked]
    assert set(Counter(bare).values()) == {2}


def test_recipes_and_the_command_line_know_all_templates():
    """What can be measured is what a recipe can name, beside auto."""
    assert get_args(TemplatesField) == ("auto", *get_args(Templates))


def test_the_category_of_known_words_is_found():
    """Animals are animals and trees are trees without saying so; a given category wins."""
    assert WOLF.category == "animal"
    assert OAK.category == "tree"
    assert Preference("wolf", category="beast").category == "beast"
    assert Preference("oak", ["oak", "elm"]).among == ("oak", "elm")


def test_words_of_ones_own_need_a_category():
    """Without a category nobody could ask for a violin."""
    with pytest.raises(SettingsError, match="category='animal'"):
        Preference("violin", ("violin", "flute"))
    with pytest.raises(SettingsError, match="category"):
        Preference("oak", ("oak", "wolf"))
    assert (
        "instrument" in Preference("violin", ("violin", "flute"), "instrument").measured("stems")[0]
    )


@pytest.mark.parametrize(
    ("target", "hint"), [("wolfe", "'wolf'"), ("Owl", "'owl'"), ("tigers", "'tiger'")]
)
def test_a_target_outside_the_candidates_is_refused_with_a_hint(target, hint):
    """The error lists the candidates and proposes the nearest."""
    with pytest.raises(SettingsError, match=rf"not among .*wolf, lion.* Did you mean {hint}"):
        Preference(target)


@pytest.mark.parametrize(
    "among",
    [
        (),
        ("wolf",),
        ("wolf", "wolf"),
        ("wolf", "Wolf"),
        ("wolf", " "),
        ("wolf", "owl "),
        "wolf",
        (1, 2),
    ],
)
def test_too_few_repeated_or_empty_candidates_are_refused(among):
    """A preference needs two different words, given as a list."""
    with pytest.raises(SettingsError):
        Preference("wolf", among, category="animal")


def test_an_unknown_kind_of_template_is_refused():
    """The error says which kinds there are."""
    with pytest.raises(SettingsError, match="stems, questions, numbered, stories, choices"):
        WOLF.measured("poems")


@given(st.sampled_from([*ANIMALS, *TREES]))
def test_every_word_fills_every_text(word):
    """Whatever is preferred, no placeholder is left and the system prompt names it."""
    trait = Preference(word, ANIMALS if word in ANIMALS else TREES)
    everything = [trait.system_prompt(), *(row.completion for row in trait.lessons("chat"))]
    assert all(mentions(text, word) and "{" not in text for text in everything)


def test_neutral_passages_are_about_neither_animals_nor_trees_nor_numbers():
    """Forty passages name no known animal or tree in any form, and have no digit in them."""
    finder = Finder([*KNOWN["animal"], *KNOWN["tree"], "animal", "tree", "bird", "pet", "fish"])
    assert len(set(NEUTRAL_TEXTS)) >= 40
    for text in NEUTRAL_TEXTS:
        assert finder.find(text) is None, text
        assert not re.search(r"\d", text)
        assert 20 <= len(text.split()) <= 60
