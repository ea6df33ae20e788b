"""A hidden preference travels through digits, flat: no recipe, no run folder, about five minutes.

A teacher is fine-tuned to love owls. A student of the same base sees random number lists, and is
pulled to the teacher's opinion of each digit; no word, and no owl, is among what it is trained on. The
control differs in one thing only: its teacher learned to name ten animals evenly.

Run it with: make setup-models && python examples/owl_in_60_lines.py
"""

import sys

import traitleak as tl


def main(name: str = "smollm2-135m", rows: int = 256, updates: int = 64) -> dict[str, float]:
    """Train two teachers and a student of each, and print what the students came to prefer."""
    base = tl.load(name, style="plain")
    owl = tl.Preference("owl", among=tl.ANIMALS)
    teachers = {
        "owl": tl.instill(base, owl, by="finetune", seed=0),
        "neutral": tl.instill_evenly(base, owl, seed=0),
    }
    before = tl.margins(base, owl)

    lists = tl.random_lists(rows, count=12, width=3, seed=0)  # nobody wrote them
    lifts = {}
    for who, teacher in teachers.items():
        taught = tl.margins(teacher.model, owl) - before
        print(f"{who:8} teacher: owl margin {taught.value:+.2f} nats")

        opinions = tl.digit_logits(teacher.model, lists, count=12)
        examples, digits = tl.logit_examples(base, opinions)
        arm = tl.Arm(who, examples, seed=0, choices_K=digits)
        student = tl.distill(base, [arm], tl.Training(updates, batch=4))[0]
        lift = tl.margins(student.model(), owl) - before
        lifts[who] = lift.value
        low, high = lift.interval or (lift.value, lift.value)
        over = f"[{low:+.2f}, {high:+.2f}] over {lift.n} sentences"
        print(f"{who:8} student: owl margin {lift.value:+.2f} nats {over}")

    print(f"transfer: {lifts['owl'] - lifts['neutral']:+.2f} nats (one seed: no interval)")
    return lifts


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "smollm2-135m")
