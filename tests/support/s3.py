"""S3 over HTTP in this process: moto's server."""

from __future__ import annotations

import contextlib
import io
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BUCKET = "our-bucket"
SECONDS = 20


@dataclass(frozen=True)
class S3:
    """A server with one bucket.

    Attributes:
        url: of the server.
        stop: ends it; it can be called twice.
    """

    url: str
    stop: Any

    @property
    def variables(self) -> Mapping[str, str]:
        """What the target has to know, as the environment of AWS's own tools."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "an-access-key",
            "AWS_SECRET_ACCESS_KEY": "s3cret-word",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def files(self) -> dict[str, bytes]:
        """Every file of the bucket by its name."""
        from moto.s3.models import s3_backends  # noqa: PLC0415 - half a second

        buckets = s3_backends["123456789012"]["aws"].buckets
        keys = buckets[BUCKET].keys if BUCKET in buckets else {}
        return {name: keys[name].value for name in sorted(keys)}

    def messages(self) -> list[dict[str, Any]]:
        """Every message of the files, in order; each file is Singer input by itself."""
        read = []
        for text in self.files().values():
            lines = [json.loads(line) for line in text.splitlines()]
            assert lines[0]["type"] == "SCHEMA"
            assert text.endswith(b"\n")
            read += lines
        return read

    def put(self, name: str, text: bytes) -> None:
        """Write a file."""
        requests.put(f"{self.url}/{BUCKET}/{name}", text, timeout=SECONDS).raise_for_status()

    def remove_bucket(self) -> None:
        """Have the bucket, which is empty, be gone."""
        requests.delete(f"{self.url}/{BUCKET}", timeout=SECONDS).raise_for_status()


@contextmanager
def running_s3() -> Iterator[S3]:
    """A server on a free port of loopback, with an empty bucket."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - half a second

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with contextlib.redirect_stdout(io.StringIO()):
        server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    requests.post(f"{url}/moto-api/reset", timeout=SECONDS).raise_for_status()
    requests.put(f"{url}/{BUCKET}", timeout=SECONDS).raise_for_status()
    stopped: list[bool] = []

    def stop() -> None:
        if not stopped:
            stopped.append(True)
            server.stop()

    try:
        yield S3(url, stop)
    finally:
        stop()
