"""JSON of any shape, and known documents in which one place holds something else."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def changed(data: st.DataObject, document: Any) -> Any:
    """A copy of the document with anything in any one place of it."""
    copy = json.loads(json.dumps(document))
    place = copy
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if data.draw(st.booleans()) or not place[key] or not isinstance(place[key], (dict, list)):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    return copy
