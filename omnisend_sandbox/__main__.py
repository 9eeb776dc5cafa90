"""The command `target-omnisend-sandbox`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

import msgspec

from .faults import KINDS, Fault

if TYPE_CHECKING:
    from socket import socket

MISSING = "The sandbox needs its extra: pip install 'target-omnisend[sandbox]'"
FAULTS_HELP = """\
Faults make it wrong on purpose. KIND is one of these; settings follow it, such as
--fault shown_late,seconds=3  --fault refuses_field,field=birthdate,code=422
--fault "status,endpoint=GET /brands/current,status=404"
--fault "status,endpoint=POST *,status=403,content=<script"
Each takes endpoint (of calls), content (a regular expression over the body of a call), email (one
over the address of an item), skip, times, every, probability and seed to say when it strikes.
POST /_sandbox/faults takes the same as a JSON list, and DELETE /_sandbox/faults takes all back.
"""


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        Exit code: 0 done, 1 the extra is missing or the port is taken, 2 usage.
    """
    options = _parser().parse_args(arguments)
    try:
        from . import server  # noqa: PLC0415 - may be missing, and then we say so
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] not in {"starlette", "uvicorn"}:
            raise
        return _fail(MISSING)
    try:
        listening = server.listen(options.host, options.port)
    except (OSError, ValueError) as wrong:
        return _fail(f"Cannot listen on {options.host} port {options.port}: {wrong}")
    app = server.app_of(
        latency=options.latency,
        batch_latency=options.batch_latency,
        limits=options.limits,
        keys={options.key: None},
        planted=options.fault,
        brand_id=options.brand_id,
    )
    with listening:
        _say_where(listening, options)
        asyncio.run(server.server_of(app).serve_until_signalled(listening))
    return 0


def _say_where(listening: socket, options: argparse.Namespace) -> None:
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"http://{host}:{listening.getsockname()[1]}"
    print(  # noqa: T201 - the command's one line of output
        f"Omnisend sandbox on {url} (API base {url}/api, key {options.key})", flush=True
    )


def _fail(sentence: str) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201
    return 1


def fault(text: str) -> Fault:
    """A fault as the command line has it: its kind, then settings, `name=value`.

    Raises:
        ArgumentTypeError: The kind or setting is not known, or a value does not suit it.
    """
    kind, *settings = text.split(",")
    try:
        given = dict(setting.partition("=")[::2] for setting in settings)
        return msgspec.convert({"kind": kind, **given}, Fault, strict=False)
    except (ValueError, msgspec.ValidationError) as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


def _parser() -> argparse.ArgumentParser:
    kinds = "\n".join(f"  {kind:20}{meaning}" for kind, (_, meaning) in KINDS.items())
    parser = argparse.ArgumentParser(
        prog="target-omnisend-sandbox",
        description="A local Omnisend, to try the target against.",
        epilog=f"{FAULTS_HELP}\n{kinds}".replace("%", "%%"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="loopback address (default %(default)s)")
    add("--port", type=int, default=8765, help="0 picks one (default %(default)s)")
    add("--latency", type=float, default=0.0, metavar="S", help="seconds a call takes")
    add("--batch-latency", type=float, default=0.0, metavar="S", help="seconds a batch takes")
    add("--limits", choices=("on", "off"), default="on", help="rate limits (default %(default)s)")
    add("--key", default="sandbox-key", help="API key (default %(default)s)")
    add("--brand-id", metavar="ID", help="the store's ID (default a new one at each start)")
    add(
        "--fault",
        type=fault,
        action="append",
        default=[],
        metavar="KIND[,NAME=VALUE]",
        help="make it wrong on purpose, as listed below; can be repeated",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
