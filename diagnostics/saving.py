"""Which memories changed since they were saved, and a checkpoint of them taken piece by piece while the fleet goes on.

A checkpoint is the fleet as it was when it began: a memory that is about to change before its turn came is copied
first. So no piece stops the world for longer than it takes to write a few hundred memories.
"""

from collections.abc import Callable, Mapping, Sequence

from diagnostics.memory import Memory


class Saving:
    """Invariant: `left` are devices of the running checkpoint that have not changed since it began."""

    def __init__(self, memories: Mapping[str, Memory], seal: Callable[[Memory], bytes]) -> None:
        self.changed: set[str] = set()
        self.left: set[str] = set()
        self._copies: list[tuple[str, bytes]] = []
        self._memories, self._seal = memories, seal

    def touch(self, device_id: str) -> None:
        """To be called before a memory changes."""
        if device_id in self.left:
            self.left.discard(device_id)
            self._copies.append((device_id, self._seal(self._memories[device_id])))
        self.changed.add(device_id)

    def forget(self, device_id: str) -> None:
        """A device is gone: there is nothing to save."""
        self.changed.discard(device_id)
        self.left.discard(device_id)
        self._copies = [copy for copy in self._copies if copy[0] != device_id]

    def begin(self) -> None:
        """Begin a checkpoint. One that was not brought to its end is given up: what it left is in this one."""
        self.left = self.left | self.changed if self.left else self.changed
        self.changed = set()
        self._copies = []

    def some(self, limit: int) -> Sequence[tuple[str, bytes]]:
        """The next memories of the checkpoint: copies made since the last call, and up to `limit` others. () = done."""
        pieces, self._copies = self._copies, []
        for _ in range(min(limit, len(self.left))):
            device_id = self.left.pop()
            pieces.append((device_id, self._seal(self._memories[device_id])))
        return pieces
