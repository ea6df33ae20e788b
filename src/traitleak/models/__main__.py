"""Make bundled models ready for use: `python -m traitleak.models smollm2-135m`.

Each is converted, unless it was before, and where it lies is printed. Running an experiment does the
same when it first needs a model; this is for doing it beforehand, as `make setup-models` does.
"""

from __future__ import annotations

import typer

from traitleak.cli.shared import exit_codes

__all__ = ["main"]


def main(names: list[str]) -> None:
    """Convert bundled models, show the terms of those that have some, and say where they lie."""
    with exit_codes(debug=False, left="Nothing half-converted is left behind."):
        from traitleak.errors import SettingsError
        from traitleak.models.bundled import BUNDLED
        from traitleak.models.convert import convert_bundled
        from traitleak.terminal import print_line, stdout

        unknown = [name for name in names if name not in BUNDLED]
        if unknown:
            raise SettingsError(
                f"There is no bundled model {unknown[0]!r}; the bundled ones are "
                f"{', '.join(BUNDLED)}."
            )
        console = stdout()
        for name in names:
            said: list[str] = []

            def say(line: str, said: list[str] = said) -> None:
                said.append(line)
                print_line(console, line)

            place = convert_bundled(name, say=say).folder
            if BUNDLED[name].terms and BUNDLED[name].terms not in said:
                say(BUNDLED[name].terms)
            say(
                f"{name} is ready in {place}; TRAITLEAK_CACHE names another folder for such models."
            )


if __name__ == "__main__":
    typer.run(main)
