"""Slack's limits, each with its source; a message over one of them is refused whole, not cut, by Slack.

Sources are pages of docs.slack.dev unless an issue is named.
"""

from __future__ import annotations

from typing import Final

BLOCKS: Final = 50
"""Blocks of one message: reference/block-kit/blocks."""
MESSAGE: Final = 10_000
"""Characters of a message's blocks together, counted as their JSON. Undocumented: `msg_blocks_too_long` was seen at 11,341
characters of text (slackapi/bolt-js#2867) and at 13,297 (slackapi/bolt-js#2509); our margin is for the next one."""
TEXT: Final = 4_000
"""The `text` of a message: reference/methods/chat.postMessage advises this and cuts at 40,000."""
SECTION: Final = 3_000
"""Characters of a section's text: reference/block-kit/blocks/section-block."""
FIELDS: Final = 10
"""Fields of a section: the same page."""
FIELD: Final = 2_000
"""Characters of a field: the same page."""
HEADER: Final = 150
"""Characters of a header: reference/block-kit/blocks/header-block."""
CONTEXT_ELEMENTS: Final = 10
"""Elements of a context block: reference/block-kit/blocks/context-block."""
ACTIONS: Final = 25
"""Elements of an actions block: reference/block-kit/blocks/actions-block."""
IDENTIFIER: Final = 255
"""Characters of a block_id and of an action_id: the pages of blocks and of button-element."""
BUTTON: Final = 75
"""Characters on a button: reference/block-kit/block-elements/button-element; clients show about 30."""
VALUE: Final = 2_000
"""Characters of a button's value: the same page."""
