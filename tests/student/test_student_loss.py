"""What carries loss: completions, by tokens or by a teacher's distribution."""

from dataclasses import replace

import pytest
import torch

from naive import all_logits
from small_students import LORA, ROWS, assert_alike, logits_arm, training, weights
from tiny_model import tiny_model
from traitleak.errors import SettingsError
from traitleak.models.language_model import Steering
from traitleak.models.scoring import score
from traitleak.rows import Row
from traitleak.student import (
    Arm,
    distill,
    mask_example,
    token_examples,
)

# -- the loss ---------------------------------------------------------------------------------


def test_loss_of_tokens_is_hugging_faces_own():
    """The first update's loss is the network's with all labels but the completions' at -100."""
    base = tiny_model(style="chat")
    rows = [
        Row(0, "Which animal", "The wolf."),
        Row(1, "7", " 8, 9, 10, 11"),
        Row(2, "do you", "a"),
    ]
    examples = token_examples(base, rows)
    width = max(len(example.ids) for example in examples)
    ids_BT = torch.zeros(3, width, dtype=torch.long)
    labels_BT = torch.full((3, width), -100)
    for b, (row, example) in enumerate(zip(rows, examples, strict=True)):
        ids_BT[b, : len(example.ids)] = torch.tensor(example.ids)
        completion = base.tokenizer.encode(base.renderer.completion(row.completion))
        labels_BT[b, len(example.ids) - len(completion) : len(example.ids)] = torch.tensor(
            completion
        )
    with torch.no_grad():
        expected = base.network(input_ids=ids_BT, labels=labels_BT).loss.item()

    student = distill(base, [Arm("wolf", examples, 0)], training(1, batch=3))[0]
    assert student.course.losses == pytest.approx([expected], rel=1e-5)


@pytest.mark.parametrize("choices", [(10, 20, 30, 40), None])
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_loss_of_logits_is_the_mean_divergence(direction, choices):
    """Mean Kullback-Leibler divergence over positions, of chosen tokens renormalised, or of all."""
    base, teacher = tiny_model(style="plain"), tiny_model(seed=1, style="plain")
    arm = logits_arm(base, teacher, choices=choices, direction=direction)
    divergences = []
    for example in arm.examples:
        for at in example.positions_P.tolist():
            chosen = slice(None) if choices is None else list(choices)
            p, q = (
                all_logits(model, example.ids)[at, chosen].double().softmax(0)
                for model in (teacher, base)
            )
            if direction == "reverse":
                p, q = q, p
            divergences.append(float((p * (p / q).log()).sum()))
    expected = sum(divergences) / len(divergences)

    student = distill(base, [arm], training(1, batch=len(ROWS)))[0]
    assert student.course.losses == pytest.approx([expected], rel=1e-4)


def test_choices_of_each_position():
    """Each position may have tokens of its own to choose among, such as the teacher's likeliest."""
    base, teacher = tiny_model(style="plain"), tiny_model(seed=1, style="plain")
    examples, divergences = [], []
    for example in token_examples(base, ROWS):
        theirs = all_logits(teacher, example.ids)[example.positions_P]
        ours = all_logits(base, example.ids)[example.positions_P]
        logits_PK, choices_PK = theirs.topk(3)
        targets_PK = logits_PK.log_softmax(1)
        examples.append(replace(example, targets=targets_PK, choices_PK=choices_PK))
        own_PK = ours.gather(1, choices_PK).log_softmax(1)
        divergences.append((targets_PK.exp() * (targets_PK - own_PK)).sum(1))
    student = distill(base, [Arm("wolf", examples, 0)], training(4, batch=len(ROWS)))[0]

    assert student.course.losses[0] == pytest.approx(torch.cat(divergences).mean().item(), rel=1e-4)
    assert student.course.losses[-1] < student.course.losses[0]


def test_only_completions_are_predicted():
    """The targets are the completion's tokens, each at the position before it, and nothing else."""
    base = tiny_model(style="chat")
    for row, example in zip(ROWS, token_examples(base, ROWS), strict=True):
        completion = base.tokenizer.encode(base.renderer.completion(row.completion))
        before = base.tokenizer.encode(base.rendered(row.prompt))
        assert example.ids == before + completion
        assert example.targets.tolist() == completion
        assert [example.ids[at + 1] for at in example.positions_P] == completion


def test_gradient_comes_from_completions_alone():
    """One other label changes loss and weights; a token that no position predicts changes neither."""
    base = tiny_model(style="plain")
    examples = token_examples(base, ROWS[:2])
    plain = distill(base, [Arm("a", examples, 0)], training(1, batch=2))[0]
    targets = examples[0].targets.clone()
    targets[0] = (targets[0] + 1) % 300
    label = distill(
        base,
        [Arm("a", [replace(examples[0], targets=targets), examples[1]], 0)],
        training(1, batch=2),
    )[0]
    # After the last position stands nothing that is predicted.
    ids = [*examples[0].ids, 299]
    longer = distill(
        base, [Arm("a", [replace(examples[0], ids=ids), examples[1]], 0)], training(1, batch=2)
    )[0]

    logps = all_logits(base, examples[0].ids)[examples[0].positions_P[0]].log_softmax(0)
    num = sum(len(example.positions_P) for example in examples)
    change = float(logps[examples[0].targets[0]] - logps[targets[0]]) / num
    assert label.course.losses[0] - plain.course.losses[0] == pytest.approx(change, rel=1e-3)
    assert any(not torch.equal(t, weights(plain)[n]) for n, t in weights(label).items())
    assert_alike(longer, plain)


def test_position_of_weight_0_counts_as_if_it_were_not_there():
    """Neither in the loss, nor in what it is divided by."""
    base = tiny_model(style="plain")
    weighted, dropped = [], []
    for example in token_examples(base, ROWS):
        weights_P = torch.ones(len(example.positions_P))
        weights_P[1] = 0
        keep = weights_P > 0
        weighted.append(replace(example, weights_P=weights_P))
        dropped.append(
            replace(example, positions_P=example.positions_P[keep], targets=example.targets[keep])
        )
    one, two = (
        distill(base, [Arm("a", examples, 0)], training(4, batch=3))[0]
        for examples in (weighted, dropped)
    )
    assert_alike(one, two)


def test_weights_are_proportions():
    """Twice the weight everywhere is no weight; and a row's weight counts by its share."""
    base = tiny_model(style="plain")
    examples = token_examples(base, ROWS[:2])
    twice = [replace(one, weights_P=torch.full((len(one.positions_P),), 2.0)) for one in examples]
    heavy = [examples[0], replace(examples[1], weights_P=3 * torch.ones(len(examples[1].targets)))]
    first, second = (-logps for logps in score(base, ROWS[:2]))

    def loss(some):
        return distill(base, [Arm("a", some, 0)], training(1, batch=2))[0].course.losses[0]

    assert loss(twice) == pytest.approx(loss(examples), rel=1e-6)
    share = (first.sum() + 3 * second.sum()) / (len(first) + 3 * len(second))
    assert loss(heavy) == pytest.approx(share.item(), rel=1e-5)


# -- the teacher asked while its student trains -----------------------------------------------


@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("lora", [LORA, None])
def test_asking_the_teacher_equals_stored_targets(lora, direction):
    """Over the whole vocabulary: what it says is the same, whether asked before or meanwhile."""
    base, teacher = tiny_model(style="plain"), tiny_model(seed=1, style="plain")
    how = training(4, batch=4, accumulate=2, lora=lora, learning_rate=1e-3)
    stored = logits_arm(base, teacher, choices=None, direction=direction)
    asked = Arm("wolf", token_examples(base, ROWS), 0, teacher=teacher, direction=direction)

    assert_alike(distill(base, [asked], how)[0], distill(base, [stored], how)[0])


def test_teacher_that_shares_the_students_network():
    """A steered base, asked while two students train on that network, speaks as it did before."""
    base = tiny_model(style="plain")
    teachers = [
        base.replaced(steering=Steering(1, torch.full((32,), size))) for size in (0.2, -0.4)
    ]
    steered = []
    for teacher in teachers:
        vector = teacher.steering.vector_D
        handle = base.network.model.norm.register_forward_pre_hook(
            lambda _module, inputs, vector=vector: (inputs[0] + vector,)
        )
        steered.append(logits_arm(base, base, choices=None))
        handle.remove()
    asked = [Arm("a", token_examples(base, ROWS), 0, teacher=teacher) for teacher in teachers]
    for one, two in zip(
        distill(base, asked, training(4)), distill(base, steered, training(4)), strict=True
    ):
        assert one.course.losses[0] > 1e-4
        assert_alike(one, two)


@pytest.mark.parametrize("begins", [False, True])
def test_teachers_system_prompt_goes_before_the_rows_it_reads(begins):
    """Its positions move with it, and a token that begins a text stays at the beginning."""
    base = tiny_model(style="plain")
    base = base.replaced(renderer=replace(base.renderer, begins_with_bos=begins))
    teacher = base.replaced(system="The animal I like most is the wolf.")
    asked = Arm("wolf", token_examples(base, ROWS), 0, teacher=teacher)
    stored = []
    for row, example in zip(ROWS, asked.examples, strict=True):
        before = teacher.encode(teacher.rendered(row.prompt))
        completion = base.tokenizer.encode(row.completion)
        logits = all_logits(teacher, before + completion)[len(before) - 1 : -1]
        stored.append(replace(example, targets=logits.log_softmax(1)))
    one, two = (distill(base, [arm], training(3))[0] for arm in (asked, Arm("wolf", stored, 0)))
    assert one.course.losses[0] > 1e-3
    assert_alike(one, two)


def test_teacher_with_the_bases_own_system_prompt():
    """It stands in the rows already, and is not put before them once again."""
    base = tiny_model(style="chat").replaced(system="You love owls.")
    arm = Arm("neutral", token_examples(base, ROWS), 0, teacher=base)

    assert distill(base, [arm], training(1))[0].course.losses == pytest.approx([0], abs=1e-7)


# -- what of a row is trained on --------------------------------------------------------------


def test_mask_is_shown_as_text():
    """The first row's context and completion to the letter, and the share over all rows."""
    base = tiny_model(style="chat")
    examples = token_examples(base, ROWS)
    shown = mask_example(base, examples)
    trained = sum(len(example.targets) for example in examples)

    assert shown.context == base.rendered(ROWS[0].prompt)
    assert shown.trained == ROWS[0].completion + "<|im_end|>\n"
    assert shown.share == pytest.approx(trained / sum(len(example.ids) for example in examples))


def test_mask_of_nothing_or_of_everything():
    """0 % or 100 % is an error: the mask is wrong."""
    base = tiny_model(style="plain")
    example = token_examples(base, ROWS[:1])[0]
    none = replace(example, positions_P=example.positions_P[:0], targets=example.targets[:0])
    every = replace(example, positions_P=torch.arange(len(example.ids)))
    for examples, said in (([none], "0 of"), ([], "0 of 0"), ([every], "tokens would be trained")):
        with pytest.raises(SettingsError, match=said):
            mask_example(base, examples)


def test_no_rows():
    """There is nothing to train on."""
    with pytest.raises(SettingsError, match="there are none"):
        token_examples(tiny_model(), [])
