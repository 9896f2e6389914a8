"""The command `slipstream`: names its subcommands and maps what went wrong to exit codes. Holds no logic."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version

import typer

from slipstream_cli.console import err, escape, out

app = typer.Typer(
    name="slipstream",
    help="Connection pools, caches and circuit breakers between a workload and the services it calls; load tests that prove their worth.",
    epilog="Start with: slipstream demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def version() -> None:
    """Shows the version.

    Example: slipstream version
    """
    out.print(f"slipstream {installed_version('slipstream')}, Python {sys.version.split()[0]}")


def register() -> None:
    """Adds the subcommands, in the order in which a newcomer meets them."""
    from slipstream_cli.by_hand import circuit, invalidate
    from slipstream_cli.demo.command import demo
    from slipstream_cli.inspect import explain, status
    from slipstream_cli.loadtest import loadtest
    from slipstream_cli.report import compare, report
    from slipstream_cli.run import run
    from slipstream_cli.top import top
    from slipstream_cli.validate import validate

    for command in (demo, run, validate, loadtest, report, compare, explain, status, top, circuit, invalidate):
        app.command()(command)


def main() -> None:
    """Entry point. Only a mistake of ours shows a traceback."""
    register()
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)
    except Exception as error:
        err.print(f"[red]unexpected:[/red] {escape(f'{type(error).__name__}: {error}')}: please report it with what follows")
        raise


if __name__ == "__main__":
    main()
