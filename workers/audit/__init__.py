"""Who asked, decided and did what, when: append-only records, a signed hash chain for each writer, heads outside Redis.

`entry`, `keys`, `record`, `lines`, `chain` and `verify` are pure. `store` keeps the chains in Redis, `sinks` sends heads
out of it; `trail` is what the roles append to, `counter` is what the approver seals with, `opening` makes both from the settings.
"""
