"""Imports the command once, and forks a process of it for each request.

`support.processes` starts it. A request is one byte with four descriptors: the three standard
streams, and a channel that carries arguments, folder and environment, then number and exit code.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import socket
import sys
from typing import Any

IMPORTED = (
    *("target_omnisend.target", "target_omnisend.ledger", "sqlalchemy.dialects.sqlite"),
    *("fsspec.implementations.local", "phonenumbers", "email_validator", "pycountry"),
    *("logging.config", "rich.live", "stringprep", "uuid", "psycopg"),
)
"""What most runs import, so that none has to."""


def serve(requests: socket.socket) -> dict[str, Any] | None:
    """Fork for each request, until the tests are gone; in a fork, what it was asked to be."""
    while True:
        _, descriptors, _, _ = socket.recv_fds(requests, 1, 4)
        _bury()
        if not descriptors:
            return None
        if os.fork() == 0:
            requests.close()
            return _watched(descriptors)
        for one in descriptors:
            os.close(one)


def _bury() -> None:
    """Take in the forks that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _watched(descriptors: list[int]) -> dict[str, Any]:
    """Fork once more, and tell how that process ended; in the fork, what it was asked to be."""
    *streams, number = descriptors
    channel = socket.socket(fileno=number)
    text = channel.makefile("rw", encoding="utf-8")
    request: dict[str, Any] = json.loads(text.readline())
    process = os.fork()
    if process == 0:
        text.close()
        channel.close()
        _take(streams)
        return request
    for one in streams:
        os.close(one)
    text.write(f"{process}\n")
    text.flush()
    _, status = os.waitpid(process, 0)
    text.write(f"{os.waitstatus_to_exitcode(status)}\n")
    text.flush()
    os._exit(0)


def _take(streams: list[int]) -> None:
    """Make them the standard streams, and open them as Python does at its start."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
    )
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]


def main() -> None:
    """Serve, and in a fork be the command."""
    for name in IMPORTED:
        importlib.import_module(name)
    if request := serve(socket.socket(fileno=int(sys.argv[1]))):
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        sys.path[0] = request["cwd"]  # what `python -m` puts there
        sys.argv[1:] = request["arguments"]
        runpy.run_module("target_omnisend", run_name="__main__", alter_sys=True)


main()
