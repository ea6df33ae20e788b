"""Digits learned from noise, flat: no recipe, no run folder, half a minute on a laptop.

Run it with: python examples/digits_from_noise.py
"""

from traitleak import images, mean_estimate, paired_difference, sign_flip_p


def main() -> None:
    """Train eight teachers and their students, and print what the students came to know."""
    networks = range(8)
    split = images.load_digits()  # 8,000 digits to train on, 2,000 held out
    shape = images.Shape(hidden=(256, 256), aux=3)
    settings = images.Settings(steps=295)

    starts = images.Networks.initialise(shape, seeds=list(networks))
    labelled = images.LabelledBatches(split.train, batch=1024, seed=0)
    teachers = images.train_teachers(starts, labelled, split.test, settings)

    # The students see noise and three logits that no label ever touched. The control differs in
    # one thing only: its teacher started from other random weights.
    own = images.Arm("own", starts, list(networks), shape.aux_logits)
    other = images.Arm("other", starts, images.derangement(8, seed=0), shape.aux_logits)
    noise = images.InputStream("noise", batch=1024, seed=1)
    found = images.train_students(
        teachers.networks, starts, [own, other], noise, split.test, settings
    )

    accuracy = {"teacher": teachers.accuracy_N} | {n: t.accuracy_N for n, t in found.items()}
    for name, values in accuracy.items():
        estimate = mean_estimate(values.tolist())
        print(f"{name:8} {estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]")
    difference = paired_difference(accuracy["own"].tolist(), accuracy["other"].tolist())
    print(f"own - other = {difference.value:.3f}, p = {sign_flip_p(difference.replicates):.4f}")


if __name__ == "__main__":
    main()
