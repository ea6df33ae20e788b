"""Texts that attack whoever shows them, and what may never stand in what is shown."""

import unicodedata

HOSTILE = {
    "markup": "</title></style></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;",
    "cdata": "]]></failure><testcase name='x'/><!-- -->&lt;",
    "terminal": "\x1b[31mred\x1b[0m\x1b]8;;http://x\x07link\x9b2J\r\x08\x7f",
    "bidirectional": "a\u202ereversed\u2066b\u200fc\u200b\u00adzero\ufeff",
    "tags": "plain\U000e0041\U000e0042\ufe0f\u115f",
    "not XML": "\x00\x01\x0b\x0c\ufffe\uffff\ud800\udfff",
    "lines": "one\ntwo\r\nthree\u2028four\u2029five\x85six\ttab",
    "markdown": "| a | `b` *c* _d_ [e](http://x) ![f](y) <b> \\ ~~g~~ # h",
    "commands": "::error::no\n::stop-commands::x\n##[add-mask]x 100%\r\n%0A::warning::y",
    "sarif": "{0} {{ }} [text](0) [b](http://x)",
    "template": "{{ 7*7 }}{% raw %}{# x #}[bold]rich[/bold]",
    "long": "x" * 10_000,
    "spaces": "   ",
    "empty": "",
}


def unseen(text: str) -> set[str]:
    """Characters of shown text that cannot be seen, other than its line breaks."""
    kinds = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return {c for c in text if c != "\n" and unicodedata.category(c) in kinds}
