"""What devices say: each message becomes events for the device's own rows, and a request gets its answer."""

from dataclasses import dataclass, replace
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_updates.attempt_row import BEFORE_RISK, Attempt, Outcome, State
from firmware_updates.device import UpdateDevice, heard, is_news, stocked
from firmware_updates.evidence import Claim, Downloaded, Inventory, Issued, Remembered, Seen, Told
from firmware_updates.grant import Facts, Load, Permit, decide, is_denied, retry_at
from firmware_updates.messages import (
    BadMessage,
    Channel,
    GrantMessage,
    GrantTerms,
    Job,
    Phase,
    Progress,
    Reported,
    Request,
    Response,
    Signed,
    Status,
    Verdict,
    Want,
    encode_terms,
    parse_message,
)
from firmware_updates.ports import ImageUrls
from firmware_updates.refusal import Refusal, Refused
from firmware_updates.rollout import GRANTING, RolloutState
from firmware_updates.signing import Distrusted, KeySet, encode_signature, parse_signature, sign, verify
from firmware_updates.tally import DOWNLOADS, downloads_of_site
from firmware_updates.work import Work, nonce_key, quarantine_key

FROM_DEVICES = (Channel.REPORTED, Channel.STATUS, Channel.PROGRESS, Channel.REQUEST)
BURST_S = 60.0
SEEN_EVERY_S = 60.0
BUSY_RETRY_S = 60
_GRANT_METER = "grants"


@dataclass(frozen=True, slots=True)
class Director:
    """What signs grants, the release keys that count, and where images are."""

    sign_key: Ed25519PrivateKey
    release_keys: KeySet
    urls: ImageUrls


def hear(work: Work, director: Director, device_id: str, channel: str, payload: bytes) -> None:
    """One message of one device. BadMessage says in one line why not; a copy or a late one changes nothing."""
    try:
        kind = Channel(channel)
    except ValueError:
        raise BadMessage(f"no update channel: {channel[:60]!r}") from None
    if kind not in FROM_DEVICES:
        raise BadMessage(f"{channel} is the gateway's to publish")
    message = parse_message(kind, payload)
    device = work.device(device_id)
    assert isinstance(message, Reported | Status | Progress | Request)
    if not is_news(device, kind, message.boot, message.seq):
        return
    device = heard(device, kind, message.boot, message.seq)
    match message:
        case Reported():
            _hear_reported(work, device, message)
        case Status(attempt=attempt_id):
            work.store.put_device(device)
            claim = Claim(message.state, message.grant_id or "", message.code)
            work.apply(_own(work, device, attempt_id), claim)
        case Progress(attempt=attempt_id, bytes=done):
            work.store.put_device(device)
            work.apply(_own(work, device, attempt_id), Downloaded(done))
        case _:
            work.store.put_device(device)
            _remember(work, device_id, message.last_job)
            attempt = _own(work, device, message.attempt)
            if message.want is Want.URL:
                _answer_url(work, director, attempt, message)
            else:
                _answer_grant(work, director, attempt, message)


def see(work: Work, device_id: str) -> None:
    """Any sign of life (telemetry): noted at most once a minute, and only while an attempt cares."""
    for attempt in work.store.live_attempts(device_id):
        if attempt.state not in BEFORE_RISK and work.now >= attempt.contact_at + SEEN_EVERY_S:
            work.apply(attempt, Seen())


def _own(work: Work, device: UpdateDevice, attempt_id: str) -> Attempt:
    attempt = work.store.attempt(attempt_id)
    if attempt is None or attempt.device_id != device.device_id:
        raise BadMessage(f"attempt {attempt_id[:60]!r} is not of this device")
    return attempt


def _hear_reported(work: Work, device: UpdateDevice, message: Reported) -> None:
    work.store.put_device(stocked(device, message, work.now))
    for attempt in work.store.live_attempts(device.device_id):
        found = message.components.get(attempt.component)
        if found is None:
            continue
        confirmed, job = message.slot.confirmed, message.last_job
        seen = Inventory(message.boot, found.version, found.release_counter, confirmed, job)
        after = work.apply(attempt, seen)
        if after.state in BEFORE_RISK and found.release_counter > after.target_counter:
            work.apply(after, Told(Outcome.SUPERSEDE, "newer_release_runs"))


def _remember(work: Work, device_id: str, job: Job | None) -> None:
    if job is not None:
        for attempt in work.store.live_attempts(device_id):
            work.apply(attempt, Remembered(job))


def _answer_url(work: Work, director: Director, attempt: Attempt, request: Request) -> None:
    refused = _no_download(work, attempt)
    if refused is not None:
        wait_s = max(BUSY_RETRY_S, int(refused.retry_at - work.now))
        work.send(attempt, Response(request.nonce, Verdict.WAIT, refused.refusal.value, wait_s))
        return
    attempt = work.apply(attempt, Claim(Phase.DOWNLOADING))
    url = director.urls.url(work.release(attempt.release_id), attempt.device_id, work.now)
    work.send(attempt, Response(request.nonce, Verdict.URL, url=url))


def _no_download(work: Work, attempt: Attempt) -> Refused | None:
    rollout = work.rollout(attempt.rollout_id)
    if attempt.state not in (State.OFFERED, State.DOWNLOADING, State.STAGED):
        return Refused(Refusal.NOT_STAGED)
    if rollout.state is not RolloutState.RUNNING or rollout.waves[attempt.wave].state not in GRANTING:
        return Refused(Refusal.ROLLOUT_NOT_RUNNING)
    if attempt.state is State.DOWNLOADING:
        return None
    if work.now < attempt.retry_at:
        return Refused(Refusal.RATE, attempt.retry_at)
    total, here = work.store.counts((DOWNLOADS, downloads_of_site(attempt.site_id)))
    free = total < rollout.policy.downloads_total and here < rollout.policy.downloads_per_site
    return None if free else Refused(Refusal.SITE_CAP)


def _answer_grant(work: Work, director: Director, attempt: Attempt, request: Request) -> None:
    if attempt.state in (State.OFFERED, State.DOWNLOADING):  # it asks to install, so it has verified the image
        attempt = work.apply(attempt, Claim(Phase.STAGED))
    if attempt.state is State.GRANTED and attempt.nonce != request.nonce:  # a newer nonce voids the older one
        attempt = work.apply(attempt, Claim(Phase.NOT_STARTED, attempt.grant_id, "asked_again"))
    answer = decide(_facts(work, director, attempt, request), work.now)
    if isinstance(answer, Permit):
        _issue(work, director, attempt, request, answer)
        return
    names = ",".join(each.refusal.value for each in answer)
    verdict = Verdict.DENY if is_denied(answer) or attempt.final else Verdict.WAIT
    wait_s = max(1, int(retry_at(answer, work.now) - work.now)) if verdict is Verdict.WAIT else 0
    work.send(attempt, Response(request.nonce, verdict, answer[0].refusal.value, wait_s))
    if any(each.refusal in _ENDS for each in answer):
        work.apply(attempt, Told(Outcome.EXPIRE, names))
    elif attempt.state is State.STAGED:
        work.put(attempt, replace(attempt, reason=names))


_ENDS = frozenset({Refusal.SUPPORT_ENDED, Refusal.MANIFEST_EXPIRED, Refusal.RELEASE_REVOKED})


def _facts(work: Work, director: Director, attempt: Attempt, request: Request) -> Facts:
    store, device = work.store, work.device(attempt.device_id)
    rollout, release = work.rollout(attempt.rollout_id), work.release(attempt.release_id)
    at_device, at_site, in_group = store.counts(
        (
            f"risk:device:{device.device_id}",
            f"risk:site:{device.site_id}",
            f"risk:group:{device.site_id}:{device.group}",
        )
    )
    return Facts(
        rollout=rollout,
        attempt=attempt,
        device=device,
        release=release,
        request=request,
        exposure=work.exposure(rollout),
        load=Load(at_device, at_site, in_group, store.meter(_GRANT_METER) - BURST_S),
        key_trusted=is_trusted(director.release_keys, release.document, release.signatures),
        nonce_used=store.marked_at(nonce_key(device.device_id, request.nonce)) is not None,
        quarantined=store.marked_at(quarantine_key(device.device_id, release.release_id)) is not None,
    )


@lru_cache(maxsize=256)
def is_trusted(keys: KeySet, document: bytes, signatures: tuple[str, ...]) -> bool:
    """Whether a live release key has signed exactly these bytes."""
    try:
        verify(document, [parse_signature(text) for text in signatures], keys)
    except Distrusted:
        return False
    return True


def _issue(work: Work, director: Director, attempt: Attempt, request: Request, permit: Permit) -> None:
    grant_id = f"{attempt.attempt_id}/g{attempt.grants + 1}"
    release, policy = work.release(attempt.release_id), work.rollout(attempt.rollout_id).policy
    terms = GrantTerms(
        grant_id=grant_id,
        device_id=attempt.device_id,
        attempt=attempt.attempt_id,
        nonce=request.nonce,
        sha256=release.manifest.sha256,
        valid_for_s=permit.valid_for_s,
        issued_at=work.now,
        not_after=permit.not_after,
    )
    text = encode_terms(terms)
    key_id, _, value = encode_signature(sign(text, director.sign_key)).partition(":")
    granted = work.apply(attempt, Issued(grant_id, request.nonce, request.boot, permit.not_after))
    work.store.mark(nonce_key(attempt.device_id, request.nonce), work.now)
    meter = max(work.store.meter(_GRANT_METER), work.now) + 3600.0 / policy.grants_per_hour
    work.store.put_meter(_GRANT_METER, meter)
    work.send(granted, GrantMessage(text.decode(), Signed(key_id, value)), grant_id=grant_id)
