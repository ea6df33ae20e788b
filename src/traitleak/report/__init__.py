"""What a run found as one self-contained HTML page, and the same in Markdown.

Nothing here knows what was measured: all it shows stands in `traitleak.results.Results`.
"""

from traitleak.report.build import write_report

__all__ = ["write_report"]
