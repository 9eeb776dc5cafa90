"""What Meltano Hub shows of the loader, and the form that its checks want.

The Hub checks a definition with JSON schemas, and with yamllint, which wants the keys of each
object in order: https://github.com/meltano/hub, `schemas` and `.yamllint.yaml`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

HUB_HEAD = """\
# For Meltano Hub, and for `meltano add --from-ref target-omnisend.plugin.yml target-omnisend`.
"""
HUB = {
    "variant": "target-omnisend",
    "label": "Omnisend",
    "description": "E-mail and SMS marketing for shops; customer segments become tagged contacts",
    "domain_url": "https://www.omnisend.com/",
    "docs": "https://github.com/target-omnisend/target-omnisend#readme",
    "repo": "https://github.com/target-omnisend/target-omnisend",
    "pip_url": "target-omnisend",
    "logo_url": "/assets/logos/loaders/omnisend.png",
    "keywords": ["meltano_sdk", "api", "reverse_etl", "marketing"],
    "maintenance_status": "beta",
    "quality": "unknown",  # the Hub's own people rate it
    "prereq": """\
- An Omnisend API key with the scopes `contacts.read` and `contacts.write`; `brands.read` shows the
  name of the store.
- The right to transfer these people's data to Omnisend: `data_privacy_consent`.
""",
    "settings_preamble": """\
`mapping` names the column of each contact field; `email` is required. Each stream is a segment: its
own name, unless `segment` or `streams` gives it another. By default the loader changes no consent
and asks for no welcome message.
""",
    "usage": """\
### Look before you send

Neither command writes anything, here or in Omnisend:

```sh
meltano invoke target-omnisend:check
meltano invoke tap-yours > members.jsonl
meltano invoke target-omnisend:dry-run --input members.jsonl
```

Send one test contact before a large run, and pause the automations that start with "entered
segment" or "tag added". [All of it](https://github.com/target-omnisend/target-omnisend#readme).
""",
}
"""What Meltano Hub shows besides: https://hub.meltano.com/loaders."""


def page(loader: Mapping[str, Any]) -> str:
    """The definition, whole."""
    return HUB_HEAD + as_yaml(_in_order({**loader, **HUB}))


def _in_order(value: Any) -> Any:
    """The value with the keys of each object sorted, as the Hub's check of YAML wants them."""
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return [_in_order(one) for one in value] if isinstance(value, list) else value


def as_yaml(value: object) -> str:
    """A value in the form that Meltano itself writes."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=111))


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # it has no types
    """Writes text of several lines as a block, which people can read."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)
