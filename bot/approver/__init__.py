"""The approver: keeps what people agreed to in its own fsynced store, and alone holds the key that lets a node be changed.

`approval`, `opening`, `rules`, `asking`, `notes`, `board`, `card` and `words` are pure; `store` keeps, `granting` signs and
hands over, `errands` says it in Slack, `approver` acts on letters and time, `service` is the process or the part of the bot.
"""
