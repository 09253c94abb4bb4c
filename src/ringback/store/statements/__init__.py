"""The statements, each built once and named for what it does. The guard is in the statement.

Whoever decides on callbacks locks their rows first, in the order of their ids (`lookup.LOCK`), and
reads what it decides on in a later statement: on PostgreSQL a statement that had to wait for a lock
sees all but the locked row as it was before. What is locked beyond that comes in the order of the
ids, too, so that no two batches wait for one another.
"""
