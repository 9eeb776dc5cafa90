"""Names of streams under `streams` whose dots Meltano has taken for levels of settings."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping


def join_stream_names(
    streams: Mapping[str, t.Any], settings: Collection[str], fields: Collection[str]
) -> tuple[dict[str, t.Any], list[str]]:
    """The streams by their whole names, and a sentence for each that is there twice.

    `{"public": {"customers": {"segment": "Gold"}}}` is the stream `public.customers`.

    Args:
        streams: the value of the setting.
        settings: names of the settings that a stream can have.
        fields: names of a mapping's fields.
    """
    joined: dict[str, t.Any] = {}
    problems = []
    for part, own in streams.items():
        for name, one in _Parts(settings, fields).split(part, own):
            before = joined.setdefault(name, one)
            if before is one:
                continue
            if not (isinstance(before, dict) and isinstance(one, dict)) or before.keys() & one:
                problems.append(
                    f"Setting 'streams' has the stream '{name}' twice, because Meltano splits its "
                    "name at the dot. Write its settings in one place."
                )
            else:
                joined[name] = {**before, **one}
    return joined, problems


class _Parts(t.NamedTuple):
    """Separates settings of a stream from further parts of its name."""

    settings: Collection[str]
    fields: Collection[str]

    def split(self, name: str, own: t.Any) -> Iterator[tuple[str, t.Any]]:
        """The streams whose names begin with this one, and their settings."""
        if not isinstance(own, dict):
            yield name, own
            return
        parts = {key: value for key, value in own.items() if self._is_part(key, value)}
        if len(parts) < len(own) or not own:
            yield name, {key: value for key, value in own.items() if key not in parts}
        for key, value in parts.items():
            yield from self.split(f"{name}.{key}", value)

    def _is_part(self, key: str, value: t.Any) -> bool:
        if not isinstance(value, dict) or key == "custom_properties":
            return False
        if key == "mapping" and not value.keys().isdisjoint(self.fields):
            return False
        return self._has_settings(value) or not (value or key in self.settings)

    def _has_settings(self, value: Mapping[str, t.Any]) -> bool:
        if not value.keys().isdisjoint(self.settings):
            return True
        return any(isinstance(one, dict) and self._has_settings(one) for one in value.values())
