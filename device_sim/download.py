"""The first half of an update on the device: from an offered release to bytes that are verified and staged.

No I/O and no clock; see `updater.py` for how it is driven.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from device_sim.flash import Step
from device_sim.trust import KeyRing, Refused, check_offer

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_sim.flash import Flash

ANSWER_S: Final = 60.0
_BACKOFF_S: Final = (60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0)
_MAX_BAD_DOWNLOADS: Final = 3
_REMEMBERED: Final = 20
_PROGRESS_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Publish:
    """Send a message; `claim` marks statuses, which are sent again until `acknowledged`."""

    leaf: str
    body: dict[str, Any]
    retain: bool = False
    qos: int = 1
    claim: bool = False


@dataclass(frozen=True, slots=True)
class Fetch:
    """Get the image from `offset` on, with `If-Range: "<sha256>"`."""

    url: str
    offset: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Reboot:
    """Restart now; the next updater is made from the same flash with boot + 1."""

    reason: str


Action = Publish | Fetch | Reboot


class Acquisition:
    """Offer, download, verify, ask. The flash's record says where it stands; what is here is forgotten at a reboot."""

    def __init__(
        self,
        hw_id: str,
        component: str,
        flash: Flash,
        keys: KeyRing,
        *,
        boot: int,
        next_seq: Callable[[], int],
        facts: dict[str, Any] | None = None,
    ) -> None:
        self._hw_id, self._component = hw_id, component
        self._flash, self._keys, self._boot, self._next_seq = flash, keys, boot, next_seq
        self._facts = facts or {}
        self._actions: list[Action] = []
        self._nonce: str | None = None
        self._asked_at = self._ask_again_at = 0.0
        self._fetching = False
        self._failures = 0
        self._told_share = 0.0

    def take_actions(self) -> list[Action]:
        """What to do now, in order."""
        actions, self._actions = self._actions, []
        return actions

    def downloaded(self, chunk: bytes, *, restart: bool = False) -> None:
        """Bytes of the image; `restart` when the server began from the start. None counts beyond the promised size."""
        offer = self._flash.record.offer
        if offer is None or self._flash.record.staged or not self._fetching:
            return
        if restart:
            self._flash.bytes.clear()
        self._flash.bytes += chunk[: offer["size"] - len(self._flash.bytes)]
        self._flash.write(Step.RECEIVING)
        share = len(self._flash.bytes) / offer["size"]
        if share >= self._told_share + _PROGRESS_SHARE or share < self._told_share:
            self._told_share = share
            self._publish("update/progress", {"attempt": offer["attempt"], "bytes": len(self._flash.bytes)}, qos=0)

    def fetch_ended(self, status: int, now: float, *, retry_after_s: float | None = None) -> None:
        """How the transfer ended: the HTTP status, 0 for a broken line. Bytes that arrived are kept."""
        if not self._fetching:
            return
        self._fetching = False
        record = self._flash.record
        offer = record.offer
        if offer is None or record.staged:
            return
        if len(self._flash.bytes) >= offer["size"] or status == 416:
            self._verify(offer, now)
        elif status in {401, 403, 410}:  # the URL is too old; the bytes are as good as ever
            self._ask_again_at = now + 1.0
        else:
            self._retry(offer, now, 1.0 if status in {200, 206} else retry_after_s)

    @property
    def _committed(self) -> bool:
        """Whether an install has begun and not ended: nothing interrupts it."""
        return self._flash.record.job is not None and self._flash.record.job.state in {"installing", "rebooting"}

    def _offered(self, body: dict[str, Any]) -> None:
        record = self._flash.record
        attempt = str(body["attempt"])
        if attempt in record.ended or (record.offer is not None and record.offer["attempt"] == attempt):
            return
        if self._committed:
            return
        try:
            offer = check_offer(
                body, self._keys, hw_id=self._hw_id, component=self._component, running=self._flash.running,
                floor=record.floor, free_bytes=self._flash.size,
            )  # fmt: skip
        except Refused as refused:
            self._end(attempt)
            self._claim(attempt, "rejected", code=refused.code)
            self._flash.write(Step.DROPPED)
            return
        if offer["sha256"] != (record.offer or {}).get("sha256"):
            self._flash.bytes.clear()
            record.staged = False
        record.offer, record.bad_downloads = offer, 0
        self._failures, self._told_share, self._nonce, self._ask_again_at = 0, 0.0, None, 0.0
        self._claim(attempt, "downloading")
        self._flash.write(Step.ACCEPTED)

    def _pursue(self, offer: dict[str, Any], now: float) -> None:
        """Fetch or ask for what comes next, unless an answer is awaited."""
        if self._fetching or now < self._ask_again_at:
            return
        record = self._flash.record
        if not record.staged and len(self._flash.bytes) >= offer["size"]:
            self._verify(offer, now)
        elif record.staged:
            self._ask("grant", offer, now)
        else:
            self._ask("url", offer, now)

    def _ask(self, want: str, offer: dict[str, Any], now: float) -> None:
        self._nonce = secrets.token_urlsafe(12)
        self._asked_at, self._ask_again_at = now, now + ANSWER_S
        body: dict[str, Any] = {"attempt": offer["attempt"], "want": want, "nonce": self._nonce}
        if self._facts.get("battery_pct") is not None:
            body["battery_pct"] = self._facts["battery_pct"]
        if self._flash.mishaps.busy:
            body["busy"] = self._flash.mishaps.busy
        if self._flash.record.job is not None:
            body["last_job"] = self._flash.record.job.wire()
        self._flash.write(Step.ASKED)
        self._publish("update/request", body)

    def _answered(self, body: dict[str, Any], now: float) -> None:
        offer = self._flash.record.offer
        if offer is None or self._nonce is None or body["nonce"] != self._nonce:
            return
        self._nonce = None
        if body["verdict"] == "url" and not self._flash.record.staged:
            self._fetching = True
            self._ask_again_at = now
            self._actions.append(Fetch(str(body["url"]), len(self._flash.bytes), offer["sha256"]))
        elif body["verdict"] == "deny":
            self._ask_again_at = now + 24 * 3600.0
        else:
            self._ask_again_at = now + max(1.0, float(body.get("retry_after_s", 60)))

    def _retry(self, offer: dict[str, Any], now: float, after_s: float | None) -> None:
        if after_s is None:
            after_s = _BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)]
            self._claim(offer["attempt"], "link_error")
        self._failures += 1
        self._ask_again_at = now + after_s

    def _verify(self, offer: dict[str, Any], now: float) -> None:
        record = self._flash.record
        data = self._flash.bytes
        if len(data) == offer["size"] and hashlib.sha256(data).hexdigest() == offer["sha256"]:
            record.staged = True
            self._nonce, self._ask_again_at = None, now
            self._claim(offer["attempt"], "staged")
            self._flash.write(Step.STAGED)
            return
        data.clear()
        record.bad_downloads += 1
        if record.bad_downloads >= _MAX_BAD_DOWNLOADS:
            self._claim(offer["attempt"], "rejected", code="hash")
            self._end(offer["attempt"])
            record.offer = None
            self._flash.write(Step.DROPPED)
        else:
            self._retry(offer, now, None)
            self._flash.write(Step.DROPPED)

    def _drop(self) -> None:
        """Forget the offer; an install that runs is not interrupted."""
        record = self._flash.record
        if record.offer is None or self._committed:
            return
        self._end(record.offer["attempt"])
        record.offer, record.staged = None, False
        self._nonce, self._fetching = None, False
        self._flash.bytes.clear()
        self._flash.write(Step.DROPPED)

    # --- words ----------------------------------------------------------------------------------------------------

    def _publish(self, leaf: str, body: dict[str, Any], *, qos: int = 1) -> None:
        self._actions.append(Publish(leaf, {"v": 1, "boot": self._boot, "seq": self._next_seq(), **body}, qos=qos))

    def _claim(self, attempt: str, state: str, *, grant_id: str | None = None, code: str = "none") -> None:
        """Say where the attempt stands, until it is acknowledged. The caller writes the record."""
        claim: dict[str, Any] = {
            "v": 1,
            "boot": self._boot,
            "seq": self._next_seq(),
            "attempt": attempt,
            "state": state,
        }
        if grant_id is not None:
            claim["grant_id"] = grant_id
        if code != "none":
            claim["code"] = code
        self._flash.record.claims.append(claim)
        self._actions.append(Publish("update/status", claim, claim=True))

    def _end(self, attempt: str) -> None:
        """Remember that it is over, against replays of retained messages."""
        ended = self._flash.record.ended
        if attempt not in ended:
            ended.append(attempt)
            del ended[:-_REMEMBERED]
