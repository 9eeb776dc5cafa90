"""The command `target-omnisend-sandbox`."""

from __future__ import annotations

import argparse
import asyncio
import sys

MISSING = "The sandbox needs its extra: pip install 'target-omnisend[sandbox]'"


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
    )
    serving = server.server_of(app)
    with listening:
        port = listening.getsockname()[1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        url = f"http://{host}:{port}"
        print(  # noqa: T201 - the command's one line of output
            f"Omnisend sandbox on {url} (API base {url}/api, key {options.key})", flush=True
        )
        asyncio.run(serving.serve_until_signalled(listening))
    return 0


def _fail(sentence: str) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="target-omnisend-sandbox", description="A local Omnisend, to try the target against."
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="loopback address (default %(default)s)"
    )
    parser.add_argument("--port", type=int, default=8765, help="0 picks one (default %(default)s)")
    parser.add_argument(
        "--latency", type=float, default=0.0, metavar="S", help="seconds a call takes"
    )
    parser.add_argument(
        "--batch-latency", type=float, default=0.0, metavar="S", help="seconds a batch takes"
    )
    parser.add_argument(
        "--limits", choices=("on", "off"), default="on", help="rate limits (default %(default)s)"
    )
    parser.add_argument("--key", default="sandbox-key", help="API key (default %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
