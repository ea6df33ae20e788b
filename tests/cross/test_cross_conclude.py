"""What a cross-model run says of a matrix that is planted in it."""

import numpy as np
import pytest
from cross_run import MEMBERS, SHARED, cross_recipe, write_cross_run

from traitleak.cross.conclude import conclude
from traitleak.errors import DataError
from traitleak.runs import FinishedRun
from traitleak.summary import print_run
from traitleak.terminal import stdout

NOISE = np.random.default_rng(0).normal(0, 0.02, (3, 4, 4))


def concluded(tmp_path, transfer_RTS, **how):
    """The results of a planted run."""
    told = {name: how.pop(name) for name in list(how) if name in TOLD}
    wanted = cross_recipe(**how)
    return conclude(wanted, write_cross_run(tmp_path, wanted, np.asarray(transfer_RTS), **told))


TOLD = {"permutation_error", "took", "leaks", "named", "students"}


def table(results, title):
    """A table by its title."""
    return next(one for one in results.tables if one.title == title)


def test_planted_families_are_found_with_their_exact_p(tmp_path):
    """Two nats within a family and none across: kappa is 2, and p the smallest there is, 1/64."""
    results = concluded(tmp_path, 2 * SHARED + NOISE)
    means = {condition.name: condition.estimate.value for condition in results.conditions}

    assert results.answer.startswith(
        "Yes: more passes where teacher and student share their initialisation"
    )
    assert "p = 0.016, the smallest possible 0.016" in results.answer
    assert list(means) == ["own", "permuted", "further", "other"]
    assert means["own"] == pytest.approx(2, abs=0.05)
    assert means["other"] == pytest.approx(0, abs=0.05)
    kinship = next(fact for fact in results.facts if fact.name == "kinship")
    assert kinship.value.startswith("+2.0")
    assert "All teachers pass the trait on to their own network" in results.answer
    assert results.comparisons[0].effect == "own"
    assert results.comparisons[0].control == "other"
    assert results.comparisons[0].difference.value == pytest.approx(2, abs=0.05)


def test_cells_of_the_matrix_are_the_planted_transfers(tmp_path):
    """Each cell is lift on trait rows less lift on neutral rows, over each student's own start."""
    planted = np.arange(48).reshape(3, 4, 4) / 10
    results = concluded(tmp_path, planted)
    matrix = results.matrices[0]

    assert matrix.columns == "students"
    assert matrix.traits == [member["name"] for member in MEMBERS]
    for t, row in enumerate(matrix.rows):
        assert row.trait == matrix.traits[t]
        for s, cell in enumerate(row.cells):
            assert cell.replicates == pytest.approx(planted[:, t, s].tolist())
            assert cell.n == 3
            assert cell.low is not None
    whole = table(results, "Every pair").rows
    assert whole[1][:2] == ["small → small-oak", "same start, other training"]
    assert whole[2][:2] == ["small → small-turned", "own network, permuted"]
    assert whole[3][:2] == ["small → gemma", "another initialisation"]
    assert whole[3][3].startswith("+0.30")


def test_diagonal_alone_is_found_where_all_are_strangers(tmp_path):
    """With four families there is no kinship but each with itself; p is exact, 24^-3."""
    strangers = [{"name": f"m{n}", "base": f"tiny/{n}"} for n in range(4)]
    results = concluded(tmp_path, 1.5 * np.eye(4) + NOISE, members=strangers)

    assert results.answer.startswith(
        "Yes: more passes where teacher and student are the same network"
    )
    assert results.matrices[0].specificity.estimate.value == pytest.approx(1.5, abs=0.05)
    assert results.matrices[0].specificity.p == pytest.approx(24**-3)
    assert "random weights" in results.caveats[0]


@pytest.mark.parametrize(
    ("planted", "begins"),
    [
        (np.array([1, -1, 0.1])[:, None, None] * SHARED + 0.01, "No: that more passes"),
        (-SHARED + NOISE, "No, the reverse: less passes"),
        (np.array([0.2, 0.21, 0.22])[:, None, None] * SHARED, "Yes"),
    ],
    ids=["null", "reverse", "small and clear"],
)
def test_nulls_and_reverses_are_said_as_such(tmp_path, planted, begins):
    """The sentence follows the interval and p, and has both."""
    results = concluded(tmp_path, planted)
    assert results.answer.startswith(begins)
    assert "n = 3 seeds, p = " in results.answer


def test_two_seeds_of_one_odd_family_stay_undecided(tmp_path):
    """An interval above zero with a p that cannot fall below 1/16 is no yes."""
    results = concluded(tmp_path, (2 * SHARED + NOISE)[:2], seeds=2)
    assert results.answer.startswith("Undecided: ")
    assert "the smallest possible 0.062" in results.answer


def test_one_seed_gives_no_verdict(tmp_path):
    """Without an interval the answer says neither yes nor no, and the rule is not applied."""
    results = concluded(tmp_path, (2 * SHARED + NOISE)[:1], seeds=1)
    teachers, rule = table(results, "Teachers"), table(results, "With and without the rule")

    assert results.answer.startswith("One seed: no interval, so neither yes nor no.")
    assert "to one of another initialisation" in results.answer
    assert "cannot be told from one seed" in results.answer
    assert [row[-1] for row in teachers.rows] == ["–"] * 4
    assert rule.rows[-1][2:] == ["–"] * 3
    assert all(cell.low is None for row in results.matrices[0].rows for cell in row.cells)


def test_the_rule_stands_beside_the_full_matrix(tmp_path):
    """A teacher that its own network does not learn from is told, and stays in the matrix."""
    planted = 2 * SHARED + NOISE
    planted[:, 1, :] = NOISE[:, 1, :] - 0.5
    results = concluded(tmp_path, planted)
    rule = table(results, "With and without the rule")

    assert (
        "3 of 4 teachers pass the trait on to their own network (small, small-turned and gemma)"
        in (results.answer)
    )
    assert [row[-1] for row in table(results, "Teachers").rows] == ["yes", "no", "yes", "yes"]
    assert [row[1] for row in rule.rows] == ["all 4", "all 4", "the 3 that pass the rule"]
    assert len(results.matrices[0].rows) == 4
    assert results.matrices[0].rows[1].cells[1].value == pytest.approx(-0.5, abs=0.05)


def test_no_transfer_to_oneself_leaves_little_to_compare(tmp_path):
    """Where not even own students learn, the answer says so."""
    planted = np.array([0.3, -0.3, 0.1])[:, None, None] * np.ones((4, 4)) + NOISE
    answer = concluded(tmp_path, planted).answer

    assert "Transfer to the teacher's own network was itself not found" in answer
    assert "0 of 4 teachers pass the trait on to their own network (none)" in answer


@pytest.mark.parametrize(("error", "apart", "holds"), [(1e-6, 0.0, True), (0.5, 1.0, False)])
def test_a_permuted_member_is_checked(tmp_path, error, apart, holds):
    """Another function, or other students though all weights are trained, is a failed check."""
    planted = np.repeat(2 * SHARED[None], 3, axis=0)
    planted[:, 0, 2] -= apart
    how = {"student": {"rank": None}, "teacher": {"rank": None}, "permutation_error": error}
    facts = {fact.name: fact for fact in concluded(tmp_path / "a", planted, **how).facts}
    assert facts["same-function-small-turned"].holds is holds
    assert facts["permuted-alike"].holds is holds

    with_adapters = concluded(tmp_path / "b", planted).facts
    alike = next(fact for fact in with_adapters if fact.name == "permuted-alike")
    assert alike.holds is None
    assert "in distribution only" in alike.statement


def test_weak_teachers_and_leaks_are_told(tmp_path):
    """Teachers that did not take their trait fail their check; rows that named it are counted."""
    results = concluded(tmp_path, 2 * SHARED + NOISE, took=False, channel="tokens", leaks=2)
    facts = {fact.name: fact for fact in results.facts}
    assert facts["teachers"].holds is False
    assert facts["leaks"].value == "24 found"
    assert table(results, "Teachers").rows[0][4] == "30 / 30"


def test_sampled_answers_have_a_matrix_of_their_own(tmp_path):
    """Where answers were sampled, their shares are differenced alike, in points of 100."""
    results = concluded(tmp_path, 2 * SHARED + NOISE, answers=10, named={"wolf": 4, "neutral": 1})
    cells = [cell.value for row in results.matrices[1].rows for cell in row.cells]
    assert cells == pytest.approx([30.0] * 16)
    assert any("times its member's perplexity" in caveat for caveat in results.caveats)


def test_a_run_without_students_says_nothing(tmp_path):
    """Where too few rows were left the results are inconclusive, and say how many there were."""
    results = concluded(tmp_path, np.zeros((3, 4, 4)), channel="tokens", students=False)
    assert results.inconclusive
    assert results.answer.startswith("Nothing can be said")
    assert results.tables[0].rows[0] == ["small.0", "wolf 40, neutral 40", "0"]


def test_a_damaged_file_is_named(tmp_path):
    """A file that is no JSON, or no object, is named with what to do."""
    wanted = cross_recipe()
    folders = write_cross_run(tmp_path, wanted, 2 * SHARED + NOISE)
    place = folders["member-gemma"] / "member.json"
    for content in ("{", "[]"):
        place.write_text(content)
        with pytest.raises(DataError, match=r"member\.json .*run the recipe again"):
            conclude(wanted, folders)


def test_show_prints_answer_and_matrix(tmp_path, capsys):
    """The terminal has the answer, the matrix by teacher and student, and what was checked."""
    results = concluded(tmp_path, 2 * SHARED + NOISE)
    print_run(stdout(), FinishedRun(tmp_path, results, tmp_path / "report.html"))
    printed = capsys.readouterr().out

    assert "Who learns from whom" in printed
    assert "+2.0" in printed
    assert "teacher and student are the same network" in " ".join(printed.split())
    assert "how much more passes to a teacher's own network" in " ".join(printed.split())
