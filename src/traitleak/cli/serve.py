"""The command `serve`: a loaded model behind the address of an OpenAI-compatible server."""

from __future__ import annotations

import ipaddress
from typing import Annotated

import typer

from traitleak.cli import models as shared
from traitleak.cli.options import Debug, Device, Model, Precision, Quiet, Style
from traitleak.cli.shared import exit_codes

__all__ = ["serve"]


def serve(
    model: Model,
    *,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Where it listens; 0: any that is free.")
    ] = 8000,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Anything but this machine's own lets others in.")
    ] = "127.0.0.1",
    name: Annotated[
        str, typer.Option(metavar="NAME", help="What requests call it; default: the model's name.")
    ] = "",
    style: Style = "auto",
    precision: Precision = "float32",
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Serve a model over HTTP, as hosted models are, until Ctrl-C.

    Other commands then name it openai/<name>@http://127.0.0.1:<port>/v1. There is no key: whoever
    reaches the address may use it.
    """
    with exit_codes(debug=debug):
        shared.require_name(model, "Serving")
        with shared.at_work("serving", quiet=quiet) as session:
            from traitleak.serve import ChatServer
            from traitleak.serve import serve as answer
            from traitleak.terminal import print_line, stdout

            loaded = session.load(model, style=style, precision=precision, device=device)
            server = ChatServer(loaded, name=name, host=host, port=port)
            try:
                if not _is_loopback(host):
                    session.say(
                        f"Whoever reaches {host} may use this model: there is no key, and nothing is "
                        "encrypted."
                    )
                print_line(stdout(), f"Serving openai/{server.name}@{server.url} (Ctrl-C stops it)")
            except BaseException:
                server.server_close()
                raise
            answer(server)
            session.say("Stopped.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
