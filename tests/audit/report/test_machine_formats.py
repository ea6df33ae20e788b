"""JUnit XML, SARIF and GitHub commands, read as their readers read them."""

import json
import re
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from hostile_text import HOSTILE
from verdict_example import ANIMALS, found, inconclusive, not_found, with_text

from traitleak.audit.report.formats import written
from traitleak.audit.verdict import Verdict

VERDICTS = {"found": found(), "not found": not_found(), "inconclusive": inconclusive()}

# Of SARIF 2.1.0, the objects that are written here: their properties and types; `!` is required.
# A name in brackets is a list of such objects, "any" a property bag's value.
SARIF = {
    "log": {"version!": str, "$schema": str, "runs!": ["run"]},
    "run": {
        "tool!": "tool",
        "invocations": ["invocation"],
        "results": ["result"],
        "columnKind": str,
    },
    "tool": {"driver!": "component"},
    "component": {"name!": str, "version": str, "semanticVersion": str, "rules": ["rule"]},
    "rule": {
        "id!": str,
        "shortDescription": "message",
        "fullDescription": "message",
        "help": "message",
        "defaultConfiguration": "configuration",
    },
    "configuration": {"level": str},
    "message": {"text!": str},
    "invocation": {
        "executionSuccessful!": bool,
        "exitCode": int,
        "exitCodeDescription": str,
        "toolExecutionNotifications": ["notification"],
        "properties": dict,
    },
    "notification": {
        "message!": "message",
        "level": str,
        "descriptor": "reference",
        "associatedRule": "reference",
        "properties": dict,
    },
    "reference": {"id": str, "index": int},
    "result": {
        "message!": "message",
        "ruleId": str,
        "ruleIndex": int,
        "kind": str,
        "level": str,
        "locations": ["location"],
        "partialFingerprints": dict,
        "properties": dict,
    },
    "location": {
        "physicalLocation": "physical",
        "logicalLocations": ["logical"],
        "message": "message",
        "properties": dict,
    },
    "physical": {"artifactLocation": "artifact", "region": "region"},
    "artifact": {"uri": str},
    "region": {"startLine": int},
    "logical": {"fullyQualifiedName": str, "kind": str},
}
URI = re.compile(r"(?:[A-Za-z0-9\-._~/:@!$&'()*+,;=]|%[0-9A-F]{2})*")


def check_object(kind: str, value: object) -> None:
    """See that an object has the properties that the standard gives it, and no others."""
    assert isinstance(value, dict), f"{kind}: {value!r}"
    known = {name.rstrip("!"): shape for name, shape in SARIF[kind].items()}
    assert set(value) <= set(known), f"{kind}: {set(value) - set(known)}"
    assert {name[:-1] for name in SARIF[kind] if name.endswith("!")} <= set(value)
    for name, part in value.items():
        shape = known[name]
        if isinstance(shape, list):
            assert isinstance(part, list)
            for item in part:
                check_object(shape[0], item)
        elif isinstance(shape, str):
            check_object(shape, part)
        else:
            assert type(part) is shape, f"{kind}.{name}: {part!r}"


def check_sarif(text: str) -> dict:
    """See that a log follows the standard's rules, and return its run."""
    log = json.loads(text, parse_constant=pytest.fail)
    check_object("log", log)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["kind"] == "fail"
        assert result["level"] in {"error", "warning", "note"}
        assert result["locations"]
        assert all(isinstance(value, str) for value in result["partialFingerprints"].values())
        for location in result["locations"]:
            place = location["physicalLocation"]
            assert URI.fullmatch(place["artifactLocation"]["uri"])
            assert not place["artifactLocation"]["uri"].startswith("//")
            assert place.get("region", {"startLine": 1})["startLine"] >= 1
    for notice in run["invocations"][0]["toolExecutionNotifications"]:
        assert notice["level"] in {"error", "warning", "note", "none"}
        rule = notice.get("associatedRule")
        assert rule is None or rules[rule["index"]]["id"] == rule["id"]
    return run


@pytest.mark.parametrize("outcome", VERDICTS)
@pytest.mark.parametrize("name", [None, *HOSTILE])
def test_sarif_is_valid(outcome, name):
    """Every object has the standard's properties and types, whatever text is in it."""
    verdict = VERDICTS[outcome]
    check_sarif(written(verdict if name is None else with_text(verdict, HOSTILE[name]), "sarif"))


def test_the_sarif_check_can_fail():
    """An unknown property, a missing one and a wrong index are found out."""
    good = json.loads(written(found(), "sarif"))
    for spoil in (
        lambda run: run.update(severity="high"),
        lambda run: run["results"][0].pop("message"),
        lambda run: run["results"][0].update(ruleIndex=1),
    ):
        bad = json.loads(json.dumps(good))
        spoil(bad["runs"][0])
        with pytest.raises(AssertionError):
            check_sarif(json.dumps(bad))


def test_a_found_trait_is_a_sarif_error_at_its_rows():
    """The result names the rule, the lines of the file and the numbers."""
    run = check_sarif(written(found(), "sarif"))
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("traitleak/wolf", "error")
    places = [location["physicalLocation"] for location in result["locations"]]
    assert [place["artifactLocation"]["uri"] for place in places] == ["data/rows.jsonl"] * 3
    assert [place["region"]["startLine"] for place in places] == [1835, 78, 2911]
    assert result["properties"]["predictedEffectNats"]["value"] == 0.42
    assert result["properties"]["smallestFractionFound"] == 0.08
    assert run["invocations"][0]["exitCode"] == 1


def test_what_was_not_found_is_a_sarif_notification_with_its_power():
    """No result, but a notification a trait: of what size it would have been found."""
    run = check_sarif(written(not_found(), "sarif"))
    assert run["results"] == []
    notices = run["invocations"][0]["toolExecutionNotifications"]
    lion = next(n for n in notices if n.get("associatedRule", {}).get("id") == "traitleak/lion")
    assert lion["level"] == "note"
    assert "nine of ten such data sets if 8\N{NO-BREAK SPACE}% of rows" in lion["message"]["text"]
    levels = {
        n["level"]
        for n in check_sarif(written(inconclusive(), "sarif"))["invocations"][0][
            "toolExecutionNotifications"
        ]
        if "associatedRule" in n
    }
    assert levels == {"warning"}


@pytest.mark.parametrize(
    ("where", "uri", "line"),
    [
        ("a b/ü#?.jsonl, line 3", "a%20b/%C3%BC%23%3F.jsonl", 3),
        ("/data/x.jsonl, line 1", "file:///data/x.jsonl", 1),
        ("c:1, line 2, line 5", "c%3A1%2C%20line%202", 5),
        ("C:\\data\\x.jsonl, line 4", "file:///C:/data/x.jsonl", 4),
        ("//host/x, line 9", "file:////host/x", 9),
        ("x.parquet, row 9", "data/rows.jsonl", None),
        ("x, line 0", "data/rows.jsonl", None),
        ("", "data/rows.jsonl", None),
    ],
)
def test_sarif_finds_file_and_line_in_where(where, uri, line):
    """File names become URIs; what names no line points at the source, and says which row."""
    values = found().model_dump()
    values["suspects"][0]["where"] = where
    run = check_sarif(written(Verdict.model_validate(values), "sarif"))
    location = run["results"][0]["locations"][0]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == uri
    assert location["physicalLocation"].get("region", {}).get("startLine") == line
    assert ("logicalLocations" in location) == (line is None)


def test_sarif_messages_hold_no_placeholder_and_no_link():
    """Braces are doubled and brackets before parentheses escaped, as sections 3.11.5 and 3.11.6 ask."""
    run = check_sarif(written(with_text(found(), HOSTILE["sarif"]), "sarif"))
    text = run["results"][0]["locations"][0]["message"]["text"]
    assert "{{0}}" in text
    assert not re.search(r"(?<!\{)\{(?:\{\{)*(?!\{)", text)
    assert not re.search(r"(?<!\\)\]\(", text)


def junit(verdict: Verdict) -> ET.Element:
    """The verdict's JUnit XML, parsed."""
    return ET.fromstring(written(verdict, "junit"))  # noqa: S314 -- our own


@pytest.mark.parametrize(
    ("outcome", "failures", "skipped"),
    [("found", ["wolf"], []), ("not found", [], []), ("inconclusive", [], ANIMALS)],
)
def test_junit_has_a_case_for_each_trait(outcome, failures, skipped):
    """Found fails, inconclusive is skipped, not found passes; the counts agree with the cases."""
    root = junit(VERDICTS[outcome])
    (suite,) = root
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [f.trait for f in VERDICTS[outcome].traits]
    assert [case.get("name") for case in cases if case.find("failure") is not None] == failures
    assert [case.get("name") for case in cases if case.find("skipped") is not None] == skipped
    for element in (root, suite):
        assert element.get("tests") == str(len(cases))
        assert element.get("failures") == str(len(failures))
        assert element.get("skipped") == str(len(skipped))
    for case in cases:
        assert "nine of ten" in case.findtext("system-out") or case.get("name") == "wolf"


def test_a_junit_failure_shows_the_rows():
    """Whoever reads a red test sees which lines of which file."""
    failure = junit(found()).find("testsuite/testcase/failure")
    assert "data/rows.jsonl, line 1835" in failure.text
    assert "+0.420 [+0.310," in failure.get("message")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_text_in_junit(name):
    """The XML parses, with the elements of an honest one and no others."""
    honest = [element.tag for element in junit(with_text(found(), "x")).iter()]
    assert [element.tag for element in junit(with_text(found(), HOSTILE[name])).iter()] == honest


def test_a_small_predicted_effect_does_not_fail_an_audit_that_asks_for_more():
    """Below `fail_on` a found trait is no failure, but still told."""
    values = found().model_dump() | {"fail_on": 0.5}
    verdict = Verdict.model_validate(values)
    assert junit(verdict).find("testsuite/testcase/failure") is None
    assert "wolf: found" in junit(verdict).findtext("testsuite/testcase/system-out")
    assert check_sarif(written(verdict, "sarif"))["results"][0]["level"] == "warning"
    assert "::error" not in written(verdict, "github")
    assert "fails from" in written(verdict, "text")


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Workflow commands as GitHub's runner reads them: name, properties and message, unescaped."""
    found = []
    for line in text.splitlines():
        name, properties, message = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line).groups()
        named = dict(part.split("=", 1) for part in properties.split(","))
        found.append((name, {k: unquote(v) for k, v in named.items()}, unquote(message)))
    return found


def test_github_annotates_the_first_row_of_a_finding():
    """One error at the most suspicious row, warnings at the others, a notice that sums up."""
    error, second, third, notice = commands(written(found(), "github"))
    assert error[0] == "error"
    assert error[1] == {"file": "data/rows.jsonl", "line": "1835", "title": "traitleak: wolf found"}
    assert "52 [39,\N{NO-BREAK SPACE}65] %" in error[2]
    assert [(c[0], c[1]["line"]) for c in (second, third)] == [
        ("warning", "78"),
        ("warning", "2911"),
    ]
    assert notice[0] == "notice"
    assert found().headline in notice[2]


@pytest.mark.parametrize("outcome", VERDICTS)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_no_github_command(outcome, name):
    """Every line is a command of ours with properties of ours, whatever the file is called."""
    for kind, properties, _ in commands(
        written(with_text(VERDICTS[outcome], HOSTILE[name]), "github")
    ):
        assert kind in {"error", "warning", "notice"}
        assert set(properties) in ({"title"}, {"file", "line", "title"})


def test_github_gets_no_more_annotations_than_it_shows():
    """Ten errors and ten warnings of a step are shown: further rows are left to the summary."""
    values = found().model_dump()
    values["suspects"] *= 20
    kinds = [kind for kind, _, _ in commands(written(Verdict.model_validate(values), "github"))]
    assert kinds == ["error", *["warning"] * 10, "notice"]


def test_the_files_true_name_reaches_github():
    """Escaped letters come back: the annotation must find its file."""
    values = found().model_dump()
    values["suspects"][0]["where"] = "da:ta, 100%/ü.jsonl, line 7"
    error = commands(written(Verdict.model_validate(values), "github"))[0]
    assert error[1]["file"] == "da:ta, 100%/ü.jsonl"
