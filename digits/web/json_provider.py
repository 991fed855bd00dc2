"""What Flask writes JSON by, in answers and in pages (`tojson`): strict, as browsers need it."""

from __future__ import annotations

from typing import Any

from flask.json.provider import DefaultJSONProvider

from digits.base import strict_json


class StrictJson(DefaultJSONProvider):
    """Flask's own, but numbers that are not finite become null."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        kwargs.setdefault("default", self.default)
        kwargs.setdefault("ensure_ascii", self.ensure_ascii)
        kwargs.setdefault("sort_keys", self.sort_keys)
        return strict_json.dumps(obj, **kwargs)
