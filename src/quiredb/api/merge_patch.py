"""JSON merge patch, RFC 7396."""

from typing import Any


def merge(target: Any, patch: Any) -> Any:
    """`target` with `patch` applied; neither is changed. Null removes, objects merge, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged
