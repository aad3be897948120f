"""``room up``: from a machine to a running room; what is done already is left alone."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import timedelta

import click

from cli import compose, context, doctor, gpus, host, state
from cli.doctor_probe import data
from cli.doctor_probe.engine import look as look_at_engine
from cli.doctor_probe.gpus import has_hook, toolkit
from cli.errors import Problem
from cli.steps import console, step
from room.doctor import Facts, Finding, check
from room.gpus import inventory
from room.people import People
from room.settings import Settings, settings_warnings
from room.store import open_store

#: Seconds compose waits for every service to be healthy.
HEALTHY_WITHIN = 120
#: Seconds until hub and agent have seen the GPUs; they look every two.
SEEN_WITHIN = 15.0


@click.command()
@click.option("--upgrade-engine", is_flag=True, help="Upgrade a Docker Engine that is there.")
@click.option(
    "--enable-cdi", is_flag=True, help="Switch CDI on in an engine that is there, and restart it."
)
@click.option(
    "--simulate-gpus",
    type=click.IntRange(0, 64),
    envvar="ROOM_SIMULATE_GPUS",
    default=0,
    show_envvar=True,
    help="Make this many GPUs that are not there, to try a GPU room on any machine.",
)
def up(upgrade_engine: bool, enable_cdi: bool, simulate_gpus: int) -> None:
    """Prepare this machine, build the images and start the room.

    Running it again does only what is missing. Nothing of yours is ever deleted.
    """
    _require_root()
    wrote = state.copy_once(context.project_root() / "room.example.yaml", context.config_path())
    settings = context.settings()
    for warning in settings_warnings(settings):
        console.print(f"! {warning}", style="yellow", markup=False, soft_wrap=True)
    if wrote:
        console.print(
            f"✓ Wrote {context.config_path()}, with every setting explained", markup=False
        )
    facts = _prepare_host(settings, upgrade_engine, enable_cdi, simulate_gpus)
    tags = _build(settings)
    with step("Writing secrets and the room's state"):
        state.write_secrets(settings)
        state.make_hub(settings)
        state.write_front(settings)
        state.write_trust(settings)
        found = _write_gpus(settings, simulate_gpus)
        state.write_builds(settings)
        disk = data.place(settings.data_root / "homes")
        if disk is not None:
            state.write_homes(settings, disk.quotas)
        # The images are built since, and their disk is fuller.
        now = replace(facts, data=data.look(settings, look_at_engine(settings)))
        doctor.leave(now, settings, "up")
        state.write_compose(settings, context.config_path(), tags, toolkit())
        link = _admin_link(settings)
    with step("Starting the room"):
        compose.run(
            settings,
            "up",
            "--detach",
            "--remove-orphans",
            "--wait",
            f"--wait-timeout={HEALTHY_WITHIN}",
        )
    with step("Waiting for the agent to see the GPUs") as current:
        current.note = "" if _seen(settings, found) else "it does not yet: room logs agent"
    _say_done(settings, found.count, link)


def _write_gpus(settings: Settings, simulate_gpus: int) -> gpus.Looked:
    """Look at the GPUs, and write what the agent needs to see the same."""
    found = gpus.look(simulate_gpus, context.config_path())
    engine = look_at_engine(settings).engine
    cdi = bool(engine.cdi_directories) and settings.gpus.driver != "nvidia"
    state.write_gpus(settings, gpus.for_agent(found, simulate_gpus, cdi=cdi, hook=has_hook()))
    return found


def _seen(settings: Settings, found: gpus.Looked) -> bool:
    """Wait until the hub has heard of these units from the agent. False: not in time."""
    read = inventory.file_reader(state.directory(settings) / "inventory.json")
    expected = {unit.uuid for unit in found.inventory.units}
    deadline = time.monotonic() + SEEN_WITHIN
    while read().by_uuid().keys() != expected:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def _require_root() -> None:
    if os.geteuid() != 0:
        raise Problem(
            "Preparing a machine needs root: packages, the engine's socket, homes of other users.",
            "Run the same command with sudo.",
        )


def _prepare_host(
    settings: Settings, upgrade_engine: bool, enable_cdi: bool, simulate_gpus: int
) -> Facts:
    """Look first; change the machine only for what is missing or was asked for.

    Return what the machine is like then.
    """
    with step("Checking this machine") as current:
        facts = doctor.look(settings, simulate_gpus)
        findings = check(facts, settings)
        needed = {f.prepare for f in findings if f.fixable_by_up} | gpus.needed(simulate_gpus)
        current.note = f"{len(needed)} to prepare" if needed else "ready"
    if needed or upgrade_engine or enable_cdi:
        host.prepare(
            settings,
            upgrade_engine=upgrade_engine,
            enable_cdi=enable_cdi,
            simulate_gpus=simulate_gpus,
            needed=needed,
        )
        with step("Checking this machine again"):
            facts = doctor.look(settings, simulate_gpus)
            findings = check(facts, settings)
    _refuse_if_fatal(findings)
    return facts


def _refuse_if_fatal(findings: list[Finding]) -> None:
    fatal = [finding for finding in findings if finding.level == "fatal"]
    if fatal:
        raise Problem(
            "This machine cannot run the room yet:\n"
            + "\n".join(f"  {finding.title}: {finding.meaning}" for finding in fatal),
            "\n".join(finding.remedy for finding in fatal),
        )
    for finding in findings:
        if finding.level == "warning":
            console.print(
                f"! {finding.title}. {finding.remedy}", style="yellow", markup=False, soft_wrap=True
            )


def _build(settings: Settings) -> dict[str, str]:
    from engine import images

    with step("Building the images") as current:
        tags = images.ensure(settings, progress=current.say)
    return dict(tags)


def _admin_link(settings: Settings) -> tuple[str, str] | None:
    """Return the first admin and a link for one login, unless an admin has logged in already."""
    people = People(open_store(settings))
    admins = [people.add(login, admin=True) for login in settings.login.admins]
    if not admins or any(admin.last_login_at for admin in admins):
        return None
    # Of a second run this is not the only link: the first may be in a mail already.
    token = people.link(admins[0].login, once=True, life=timedelta(hours=24), keep=True)
    return admins[0].login, f"{settings.address.rstrip('/')}/hub/login#token={token}"


def _say_done(settings: Settings, gpu_count: int, link: tuple[str, str] | None) -> None:
    console.print()
    console.print(f"The room is open at {settings.address}", style="bold green", markup=False)
    console.print(f"  GPUs: {gpu_count or 'none, servers run on the CPU'}", markup=False)
    if link is not None:
        login, address = link
        console.print(f"  Log in once as {login}, within 24 hours:", markup=False)
        console.print(f"  {address}", markup=False, soft_wrap=True, style="cyan")
    else:
        console.print("  A new admin link: room user link <admin>", markup=False)
    console.print("  Students: room user add alice --class ml101", markup=False)
