"""How many devices of a rollout stand where, counted by the database on its index."""

from sqlalchemy import Connection, func, select, true

from gateway.storage.schema.updates import update_attempts

_COUNTS = select(update_attempts.c.wave, update_attempts.c.state, func.count()).where(
    update_attempts.c.current == true()
)


def wave_counts(connection: Connection, rollout_id: str) -> dict[tuple[int, str], int]:
    """(wave, state) -> devices. Cost: one walk over the rollout's part of the index."""
    rows = connection.execute(
        _COUNTS.where(update_attempts.c.rollout_id == rollout_id).group_by(
            update_attempts.c.wave, update_attempts.c.state
        )
    )
    return {(wave, state): count for wave, state, count in rows}
