"""Answers the customer's one question: can I get my video, now and from last week? Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from gateway.ports.live import DeviceView, Liveness
from gateway.ports.registry import RegisteredDevice


class Picture(Enum):
    """The live picture of a camera."""

    WORKS = "works"
    FAILS = "fails"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Video:
    """One camera. `records` None: nobody said. `oldest_at`: recordings go back to this time (None: nobody said)."""

    picture: Picture
    records: bool | None
    oldest_at: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """All cameras of a customer. `since`: the youngest of their oldest recordings, so from then on all have some."""

    cameras: int
    live: int
    unknown: int
    recording: int
    since: float | None


def _records(view: DeviceView | None) -> bool | None:
    said = view.states.get("recording") if view else None
    return None if said is None else said == "on"


def _oldest(view: DeviceView | None, now: float) -> float | None:
    age = view.metrics.get("oldest_rec_age_d") if view else None
    return now - age.value * 86_400 if age else None


def video_of(device: RegisteredDevice, views: Mapping[str, DeviceView | None], now: float) -> Video:
    """One camera; what it does not say of its recordings, its recorder says."""
    view, recorder = views.get(device.device_id), views.get(device.parent_id)
    if view is None or view.liveness is Liveness.NEVER:
        picture = Picture.UNKNOWN
    elif view.liveness is Liveness.OFFLINE:
        picture = Picture.FAILS
    else:
        rate = view.metrics.get("fps_actual")
        picture = Picture.FAILS if rate is not None and rate.value < 1 else Picture.WORKS
    records = _records(view)
    oldest = _oldest(view, now)
    return Video(
        picture,
        records if records is not None else _records(recorder),
        oldest if oldest is not None else _oldest(recorder, now),
    )


def answer(devices: Sequence[RegisteredDevice], views: Mapping[str, DeviceView | None], now: float) -> Answer:
    """For the top of the page."""
    videos = [video_of(device, views, now) for device in devices if device.kind == "camera"]
    oldest = [video.oldest_at for video in videos if video.oldest_at is not None]
    return Answer(
        cameras=len(videos),
        live=sum(video.picture is Picture.WORKS for video in videos),
        unknown=sum(video.picture is Picture.UNKNOWN for video in videos),
        recording=sum(video.records is True for video in videos),
        since=max(oldest) if oldest else None,
    )
