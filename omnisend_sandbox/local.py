"""The sandbox in a thread of another program, such as a test."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from .server import app_of, listen, server_of

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sandbox-key"
_SECONDS = 30.0
"""So long a call may take that asks for the state; a busy machine answers in less."""


@dataclass(frozen=True, slots=True)
class LocalOmnisend:
    """A local Omnisend that runs.

    Attributes:
        url: its address, without a slash at the end; the page is there.
    """

    url: str

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the target that name it; a test adds at least `mapping`."""
        return {"api_url": f"{self.url}/api", "api_key": KEY, "data_privacy_consent": True}

    def contacts(self) -> dict[str, dict[str, Any]]:
        """Each contact as Omnisend shows it, by its e-mail address."""
        return {contact["email"]: contact for contact in self.state()["contacts"]}

    def state(self) -> dict[str, Any]:
        """All that it holds: `contacts`, `segments`, `batches`, `welcomeMessages` and counts."""
        answer = requests.get(f"{self.url}/_sandbox/state", timeout=_SECONDS)
        answer.raise_for_status()
        return dict(answer.json())

    def seed(self, *contacts: dict[str, Any]) -> None:
        """Add contacts as other programs left them, such as `{"email": …, "status": …}`.

        Raises:
            ValueError: one of them is not a contact.
        """
        self._post("contacts", contacts)

    def plant(self, kind: str, **settings: Any) -> None:
        """Make it wrong on purpose; `target-omnisend-sandbox --help` lists the kinds.

        Raises:
            ValueError: the kind or a setting is not known.
        """
        self._post("faults", [{"kind": kind, **settings}])

    def _post(self, path: str, body: Any) -> None:
        answer = requests.post(f"{self.url}/_sandbox/{path}", json=body, timeout=_SECONDS)
        if answer.status_code == 400:
            raise ValueError(answer.json()["error"])
        answer.raise_for_status()


@contextmanager
def running(**options: Any) -> Iterator[LocalOmnisend]:
    """Serve an empty store on a free loopback port until the block ends.

    Args:
        options: of the store: `limits="off"`, `batch_latency=2.0` and others of the command.
    """
    listening = listen("127.0.0.1", 0)
    server = server_of(app_of(**{"keys": {KEY: None}, **options}))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        # The socket listens already: a call made before uvicorn accepts just waits.
        yield LocalOmnisend(f"http://127.0.0.1:{listening.getsockname()[1]}")
    finally:
        server.stop()
        thread.join(5)
        listening.close()
