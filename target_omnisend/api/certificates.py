"""Whether the certificates that the environment names can be read, before any call."""

from __future__ import annotations

import os
import ssl
import typing as t

from target_omnisend.errors import ExitCode, RunFailed

_VARIABLES: t.Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""In the order in which `requests` looks at them."""


def check_certificates(place: object) -> None:
    """Look at the file or folder of certificates that connections are checked against.

    Raises:
        RunFailed: if it holds no readable certificate; the sentence names the variable.
    """
    if not isinstance(place, str):  # the library's own are used
        return
    try:
        usable = bool(os.listdir(place)) if os.path.isdir(place) else _holds_one(place)  # noqa: PTH112, PTH208
        reason: str | None = "the folder is empty"
    except OSError as error:  # SSLError is one
        usable = False
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
    if not usable:
        variable = next((name for name in _VARIABLES if os.environ.get(name)), _VARIABLES[0])
        raise RunFailed(
            ExitCode.SETTINGS,
            f"The environment variable {variable} names certificates that cannot be read "
            f"({reason}). Correct or unset it, then run again.",
        )


def _holds_one(file: str) -> bool:
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    return True
