"""The command `lossmith`: one typer app, one place where errors become sentences and exit codes.

Modules of commands register themselves on `app`; none of them imports torch or transformers at its top.
"""

from __future__ import annotations

import sys

import typer

from sandbox.errors import LossmithError
from synth.cli.output import narrate_error

app = typer.Typer(
    name="lossmith",
    help="Discovers reinforcement-learning algorithms.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Runs one command and exits 0 done, 1 failed, 2 usage, 3 prerequisite missing, 4 budget, 5 archive, 130 interrupted."""
    from synth.cli import commands  # registers every command on `app`

    if not app.registered_commands:  # once a process, however often this is called
        commands.register(app)
    try:
        app()
    except LossmithError as error:
        narrate_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
