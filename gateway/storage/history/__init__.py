"""The embedded history: compressed column blocks in one SQLite file (see ../HISTORY.md)."""

from gateway.storage.history.embedded import EmbeddedHistory, open_history
from gateway.storage.history.retention import Retention

__all__ = ["EmbeddedHistory", "Retention", "open_history"]
