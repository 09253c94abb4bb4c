"""Run by Alembic: migrates on the connection that `ringback.store.migrate` passes in."""

from alembic import context

from ringback.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
