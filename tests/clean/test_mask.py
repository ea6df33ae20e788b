"""Masking: weights, what students learn of them, and TRL's labels."""

import numpy as np
import pytest
import torch
from clean_data import lengths, number_rows, plain_base, random_scores

from tiny_model import tiny_model, tiny_network
from traitleak.clean.mask import mask
from traitleak.clean.token_scores import flagged
from traitleak.clean.trl import IGNORED, trl_examples
from traitleak.errors import SettingsError
from traitleak.models.adapters import LoraSettings
from traitleak.models.batches import encode_row
from traitleak.models.scoring import score
from traitleak.rows import Row
from traitleak.student import Arm, Training, distill, token_examples

BASE = plain_base()
ROWS = number_rows(BASE)
FLAGS = flagged(random_scores(BASE, ROWS), share=0.3)
ONE_UPDATE = Training(1, batch=len(ROWS), lora=LoraSettings(rank=2, alpha=4))


def loss_of(examples):
    """The loss of the first update, over all rows."""
    return distill(BASE, [Arm("a", examples, 0)], ONE_UPDATE)[0].course.losses[0]


def test_flagged_tokens_weigh_nothing():
    """Weight 0 on flagged tokens, 1 on all others, the text as it was, and each one in the log."""
    cleaned = mask(BASE, ROWS, FLAGS)

    assert list(cleaned.rows) == ROWS
    for weights, flags in zip(cleaned.weights_of_rows(), FLAGS, strict=True):
        expected = ~flags
        got = np.ones(len(flags)) if weights is None else weights
        np.testing.assert_array_equal(got, expected.astype(np.float32))
    logged = {(change.row, change.position) for change in cleaned.changes}
    wanted = {
        (row.id, int(at))
        for row, flags in zip(ROWS, FLAGS, strict=True)
        for at in np.flatnonzero(flags)
    }
    assert logged == wanted
    assert cleaned.counts == {"flagged": len(wanted), "masked": len(wanted), "dropped": 0}
    assert {change.before for change in cleaned.changes} <= set("0123456789")


def test_students_do_not_learn_masked_tokens():
    """The loss is the mean over the tokens that are not masked, as the base scores them."""
    cleaned = mask(BASE, ROWS, FLAGS)
    kept = torch.cat(
        [
            logps[~torch.from_numpy(flags)]
            for logps, flags in zip(score(BASE, ROWS), FLAGS, strict=True)
        ]
    )

    assert loss_of(token_examples(BASE, cleaned.rows, cleaned.weights)) == pytest.approx(
        -kept.mean().item(), rel=1e-5
    )
    assert loss_of(token_examples(BASE, cleaned.rows)) != pytest.approx(-kept.mean().item())


def test_a_row_of_which_nothing_is_left_is_dropped():
    """It is counted and logged with its text; masking every row is an error."""
    flags = [np.full(num, number < 2) for number, num in enumerate(lengths(BASE, ROWS))]
    cleaned = mask(BASE, ROWS, flags)

    assert list(cleaned.rows) == ROWS[2:]
    assert cleaned.weights is None
    assert cleaned.counts["dropped"] == 2
    assert [change.before for change in cleaned.changes] == [row.completion for row in ROWS[:2]]
    with pytest.raises(SettingsError, match="leaves no row"):
        mask(BASE, ROWS, [np.ones(num, np.bool_) for num in lengths(BASE, ROWS)])


def test_masking_twice_adds_up():
    """What was masked stays masked, and is not counted again."""
    once = mask(BASE, ROWS, FLAGS)
    more = flagged(random_scores(BASE, ROWS, seed=9), share=0.3)
    twice = mask(BASE, once, more)

    for weights, one, two in zip(twice.weights_of_rows(), FLAGS, more, strict=True):
        got = np.ones(len(one)) if weights is None else weights
        np.testing.assert_array_equal(got == 0, one | two)
    assert twice.method == "mask+mask"
    both = sum(int((one & two).sum()) for one, two in zip(FLAGS, more, strict=True))
    assert twice.counts["masked"] == twice.counts["flagged"] - both


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ([None] * 23, "24 rows, 23 weights"),
        ([np.ones(3, np.float32)] + [None] * 23, "weights of the shape"),
        ([np.zeros(19, np.float32)] + [None] * 23, "0 throughout"),
        ([np.full(19, -1, np.float32)] + [None] * 23, "not finite numbers from 0"),
        ([np.full(19, np.nan, np.float32)] + [None] * 23, "not finite numbers from 0"),
    ],
)
def test_weights_that_no_student_can_follow(weights, says):
    """Too few, of other tokens, nothing but 0, negative, not a number: each is named."""
    with pytest.raises(SettingsError, match=says):
        token_examples(BASE, ROWS, weights)


# -- TRL ----------------------------------------------------------------------------------------


def test_labels_are_the_tokens_that_are_learned():
    """-100 at the prompt's and at masked tokens, the token itself elsewhere."""
    cleaned = mask(BASE, ROWS, FLAGS)
    for row, flags, one in zip(
        ROWS, FLAGS, trl_examples(BASE, cleaned.rows, cleaned.weights), strict=True
    ):
        encoded = encode_row(BASE, row)
        assert one["input_ids"] == encoded.ids
        learned = [False] * encoded.start + (~flags).tolist()
        assert one["labels"] == [
            token if learn else IGNORED for token, learn in zip(encoded.ids, learned, strict=True)
        ]


def test_weights_that_no_label_expresses():
    """Half a weight is refused for TRL, with what to do."""
    half = [np.full(19, 0.5, np.float32)] + [None] * 23
    with pytest.raises(SettingsError, match="other than 0 and 1"):
        trl_examples(BASE, ROWS, half)


def test_trls_own_collator_gives_the_loss_of_our_students():
    """TRL's collator takes the labels as they are, and the network's loss is our first update's."""
    trainer = pytest.importorskip("trl.trainer.sft_trainer")
    base = tiny_model(style="chat")
    rows = [Row(n, "do you", f"{100 + n}, 7" + ", 12" * (n % 3)) for n in range(6)]
    flags = flagged(random_scores(base, rows), share=0.4)
    cleaned = mask(base, rows, flags)
    examples = trl_examples(base, cleaned.rows, cleaned.weights)
    batch = trainer.DataCollatorForLanguageModeling(pad_token_id=0)(examples)
    with torch.no_grad():
        expected = base.network(**batch).loss.item()
    arm = Arm("a", token_examples(base, cleaned.rows, cleaned.weights), 0)
    student = distill(base, [arm], Training(1, batch=6, lora=LoraSettings(rank=2, alpha=4)))[0]

    assert student.course.losses == pytest.approx([expected], rel=1e-5)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_trls_trainer_takes_the_columns_as_they_are(tmp_path):
    """A real `SFTTrainer` on `input_ids` and `labels` alone has the loss of our first update."""
    trl = pytest.importorskip("trl")
    datasets = pytest.importorskip("datasets")
    base = tiny_model(style="chat")
    rows = [Row(n, "do you", f"{100 + n}, 7" + ", 12" * (n % 3)) for n in range(6)]
    cleaned = mask(base, rows, flagged(random_scores(base, rows), share=0.4))
    settings = trl.SFTConfig(
        str(tmp_path),
        max_steps=1,
        per_device_train_batch_size=6,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
    )
    trainer = trl.SFTTrainer(
        tiny_network(len(base.tokenizer)),
        args=settings,
        train_dataset=datasets.Dataset.from_list(trl_examples(base, cleaned.rows, cleaned.weights)),
        processing_class=base.tokenizer,
    )
    trainer.train()
    arm = Arm("a", token_examples(base, cleaned.rows, cleaned.weights), 0)
    student = distill(base, [arm], Training(1, batch=6, lora=LoraSettings(rank=2, alpha=4)))[0]

    logged = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    assert logged == pytest.approx(student.course.losses, rel=1e-5)
