"""Singer target that exports customer segments to Omnisend.

Other programs can rely on the names in `__all__`, and on no other module of this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from target_omnisend.errors import ExitCode
    from target_omnisend.target import TargetOmnisend

__all__ = ["ExitCode", "TargetOmnisend"]

if not TYPE_CHECKING:  # or a type checker takes every name for one of ours

    def __getattr__(name: str) -> Any:
        """Import a public name when it is asked for: the SDK takes half a second.

        Raises:
            AttributeError: any other name.
        """
        if name == "ExitCode":
            from target_omnisend.errors import ExitCode  # noqa: PLC0415

            return ExitCode
        if name == "TargetOmnisend":
            from target_omnisend.target import TargetOmnisend  # noqa: PLC0415

            return TargetOmnisend
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
