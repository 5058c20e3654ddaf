"""Can I get my video, now and from last week?"""

from dataclasses import replace

from gateway.ports.history import Latest
from gateway.ports.live import DeviceView, Liveness
from gateway.ports.registry import RegisteredDevice
from gateway.web.video import Picture, answer, video_of

NOW = 1_795_244_700.0
DAY = 86_400.0
RECORDER = RegisteredDevice("nvr", "Recorder", "recorder", "NVR", "shop")
CAMERA = RegisteredDevice("cam", "Till", "camera", "CAM", "shop", "nvr")
SEES = DeviceView("cam", Liveness.ONLINE, NOW, NOW, 1, "", {"fps_actual": Latest(NOW, 25.0)}, {"recording": "on"})
KEEPS = DeviceView("nvr", Liveness.ONLINE, NOW, NOW, 1, "", {"oldest_rec_age_d": Latest(NOW, 30.0)}, {})


def test_a_camera_that_sends_frames_has_a_live_picture() -> None:
    assert video_of(CAMERA, {"cam": SEES}, NOW).picture is Picture.WORKS
    frozen = replace(SEES, metrics={"fps_actual": Latest(NOW, 0.0)})
    assert video_of(CAMERA, {"cam": frozen}, NOW).picture is Picture.FAILS
    assert video_of(CAMERA, {"cam": replace(SEES, metrics={})}, NOW).picture is Picture.WORKS


def test_an_offline_camera_has_none_and_one_that_never_reported_is_not_known() -> None:
    assert video_of(CAMERA, {"cam": replace(SEES, liveness=Liveness.OFFLINE)}, NOW).picture is Picture.FAILS
    assert video_of(CAMERA, {"cam": None}, NOW).picture is Picture.UNKNOWN
    assert video_of(CAMERA, {"cam": DeviceView("cam", Liveness.NEVER)}, NOW).picture is Picture.UNKNOWN


def test_what_a_camera_does_not_say_of_its_recordings_its_recorder_says() -> None:
    video = video_of(CAMERA, {"cam": replace(SEES, states={}), "nvr": replace(KEEPS, states={"recording": "off"})}, NOW)
    assert video.records is False
    assert video.oldest_at == NOW - 30 * DAY
    assert video_of(CAMERA, {"cam": replace(SEES, states={})}, NOW).records is None


def test_recordings_go_back_to_where_every_camera_has_some() -> None:
    other = replace(CAMERA, device_id="cam-2")
    card = replace(SEES, device_id="cam-2", metrics={"oldest_rec_age_d": Latest(NOW, 7.0)})
    said = answer([RECORDER, CAMERA, other], {"cam": SEES, "cam-2": card, "nvr": KEEPS}, NOW)
    assert (said.cameras, said.live, said.recording) == (2, 2, 2)
    assert said.since == NOW - 7 * DAY


def test_a_customer_without_cameras_is_told_nothing_about_pictures() -> None:
    assert answer([RECORDER], {"nvr": KEEPS}, NOW).cameras == 0
