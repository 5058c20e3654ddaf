"""Who hangs on whom: site -> router or switch -> recorder -> camera."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Device:
    """What rules need to know of a registered device. `parent_id` "" = hangs on the site itself.

    `silence_s`: seconds without a report after which it counts as offline (mains 180; battery per class).
    `group`: redundancy group, cameras that watch the same place ("" = none).
    """

    device_id: str
    kind: str  # camera | recorder | router | switch
    model: str
    site_id: str
    parent_id: str = ""
    group: str = ""
    silence_s: float = 180.0
