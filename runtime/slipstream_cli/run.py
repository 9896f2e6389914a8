"""`slipstream run`: reads options and files, and says what is wrong with them. Serving is slipstream_cli.serving's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slipstream_cli import admin
from slipstream_cli.console import Exit, fail, warn
from slipstream_cli.sources import Source, SourceError, compile_source, findings_of, load, parse_listens, parse_upstreams, problems_of


def run(
    files: Annotated[list[Path], typer.Option("-f", "--filename", help="File or folder; watched, and reloaded when it changes.")],
    workload: Annotated[str, typer.Option("--workload", help="Whose pools, when the files name several workloads.")] = "",
    namespace: Annotated[
        str, typer.Option("-n", "--namespace", help="Whose pools, when the files name several; and that of resources which name none.")
    ] = "",
    upstream: Annotated[
        list[str] | None,
        typer.Option(
            "--upstream",
            metavar="POOL=HOST:PORT",
            help="Where a pool's upstream is for this machine, in the place of spec.upstream; once for each pool.",
        ),
    ] = None,
    listen: Annotated[
        list[str] | None, typer.Option("--listen", metavar="POOL=PORT", help="Port of 127.0.0.1 for a pool, instead of its listen.port.")
    ] = None,
    socket: Annotated[Path | None, typer.Option("--socket", help="Unix socket for status, explain and loadtest.")] = None,
    access_log: Annotated[
        float, typer.Option("--access-log", min=0, max=1, metavar="SHARE", help="Share of answers with a JSON line on stdout; 1 is all.")
    ] = 0.0,
    traces: Annotated[
        str,
        typer.Option("--traces", envvar="SLIPSTREAM_TRACES", metavar="URL", help="OTLP/HTTP collector that gets a span a request."),
    ] = "",
    tls_dir: Annotated[
        Path, typer.Option("--tls-dir", envvar="SLIPSTREAM_TLS_DIR", help="Folder of the files that spec.upstream.tls names.")
    ] = Path(),
    max_connections: Annotated[
        int,
        typer.Option(
            "--max-connections",
            envvar="SLIPSTREAM_MAX_CONNECTIONS",
            min=0,
            help="Connections to upstreams, all pools together; 0: half of the file descriptors, at most 10,000.",
        ),
    ] = 0,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="The runtime's own log on stderr, one JSON object a line.")] = False,
) -> None:
    """Runs the layers of the policies in FILES on this machine: one port on 127.0.0.1 for each pool.

    A changed file is compiled and put in force without losing a connection, and what changed is printed rule by rule; a file with problems
    is reported with its line and changes nothing.

    In a cluster `spec.upstream.host` is a Service; here name the real address with --upstream.

    Ctrl-C lets requests in flight finish, a second Ctrl-C doesn't. Exit codes: 0 ended, 1 it couldn't serve, 2 usage.

    Example: slipstream run -f manifests/samples --upstream memory=127.0.0.1:8080
    """
    try:
        source = Source(tuple(files), workload, namespace, parse_upstreams(upstream or []), parse_listens(listen or []))
        loaded = load(source)
        if loaded.problems:
            fail(problems_of(loaded))
        compiled = compile_source(source, loaded)
    except SourceError as error:
        fail(str(error))
    for found in findings_of(loaded, compiled):
        warn(f"{found.kind} {found.name}: {found.message}")
    from slipstream_cli.serving import Options, serve  # the runtime takes a while to import, which no other command needs

    options = Options(socket or admin.default_socket(), tls_dir, access_log, max_connections, traces, verbose)
    well = serve(source, compiled.config, options)
    raise typer.Exit(int(Exit.OK if well else Exit.PROBLEMS))
