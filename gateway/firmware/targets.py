"""From a wish to a rollout: which devices fit the filter, what the policy is, and what it would do."""

from collections.abc import Sequence

from firmware_updates.device import Release, UpdateDevice
from firmware_updates.membership import Member, assign_waves
from firmware_updates.plan import Plan, dry_run
from firmware_updates.policy import Policy, default_k0
from firmware_updates.ports import UpdateStore
from gateway.ports.registry import DeviceStatus, Registry
from gateway.web.release_views import SHOWN, LateSiteView, PlanView, Wish
from gateway.web.updates import Refused

SMALL = 20
"""Below this many devices a control group would compare nothing."""


async def chosen(registry: Registry, wish: Wish) -> list[str]:
    """The ids of active devices that fit the filter. Refused if there are none, or a named one is not among them."""
    named = set(wish.devices)
    found = [
        device.device_id
        async for device in registry.devices()
        if device.status is DeviceStatus.ACTIVE
        and (not wish.model or device.model == wish.model)
        and (not wish.site or device.site_id == wish.site)
        and (not named or device.device_id in named)
    ]
    if missing := sorted(named - set(found)):
        raise Refused(f"{missing[0]!r} is no active device that fits the filter ({len(missing)} such)")
    if not found:
        raise Refused("no device fits the filter")
    return found


def policy_of(wish: Wish, devices: int) -> Policy:
    """The policy, its defaults by the size of the rollout. PolicyError in one line."""
    return Policy(
        k0=wish.budget or default_k0(devices),
        consent_required=wish.consent,
        canary_soak_s=wish.canary_soak_h * 3600.0,
        soak_s=wish.soak_min * 60.0,
        site_cap=wish.site_cap,
        control=0.05 if devices >= SMALL else 0.0,
    )


def known(store: UpdateStore, ids: Sequence[str]) -> list[UpdateDevice]:
    """Those of these devices that are there."""
    return [device for one in ids if (device := store.device(one)) is not None]


def planned(
    devices: Sequence[UpdateDevice], release: Release, policy: Policy, name: str, now: float, deadline: float
) -> PlanView:
    """The dry run as pages show it. Seconds of work for thousands of devices: not for the event loop."""
    members = [Member(one.device_id, one.model, one.site_id) for one in devices]
    return view_of(dry_run(devices, assign_waves(name, members, policy), release, policy, now, deadline))


def view_of(plan: Plan) -> PlanView:
    """The plan, cut to what fits on a page."""
    first = sorted(plan.lines, key=lambda line: (line.first_start_at, line.device_id))[:SHOWN]
    out = list(plan.excluded.items())[:SHOWN]
    return PlanView(
        targets=plan.targets,
        already_done=plan.already_done,
        planned=len(plan.lines),
        reasons=sorted(plan.reasons.items(), key=lambda item: (-item[1], item[0])),
        first=[(line.device_id, line.wave, line.first_start_at) for line in first],
        kept_out=[(device, [refusal.value for refusal in refusals]) for device, refusals in out],
        p50_at=plan.all_p50_at,
        p95_at=plan.all_p95_at,
        share_done=plan.share_done,
        late_sites=[LateSiteView(one.site_id, one.left, one.change.what, one.change.by) for one in plan.late_sites],
    )
