"""The ``room`` command. Each noun lives in a module of its own, imported only when it is used."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, NamedTuple

import click

from cli.errors import Problem, from_os_error, in_words


class Lazy(NamedTuple):
    """A command that is not imported yet: where it is, and its line in ``room --help``."""

    target: str
    help: str


#: In the order in which a person meets them.
COMMANDS = {
    "up": Lazy("cli.up:up", "Prepare this machine and start the room."),
    "down": Lazy("cli.down:down", "Stop the students' servers, then the room; delete nothing."),
    "status": Lazy("cli.status:status", "Show what is running and who holds which GPU."),
    "logs": Lazy("cli.logs:logs", "Print what the room's own services wrote."),
    "doctor": Lazy("cli.doctor:doctor", "Say what is wrong with this machine, and the remedy."),
    "smoke": Lazy("cli.smoke:smoke", "Go a student's whole way through the running room."),
    "rehearse": Lazy(
        "cli.rehearse:rehearse", "Rehearse a lesson with throwaway students; count seats."
    ),
    "gpu": Lazy("cli.gpu:gpu", "Show who has which GPU and who waits; take a GPU out of use."),
    "user": Lazy("cli.user:user", "Add people, and make or revoke their login links."),
    "class": Lazy("cli.classes:class_", "List the classes; archive one, or bring it back."),
    "plan": Lazy("cli.plan:plan", "Say who may have how much, and see why."),
    "dataset": Lazy("cli.dataset:dataset", "Publish data for a class, version by version."),
    "lesson": Lazy("cli.lessons:lesson", "Make links for a class that start and open a lesson."),
    "usage": Lazy("cli.usage:usage", "Show how many GPU-hours each person has used."),
    "images": Lazy("cli.images:images", "Build and list the images that the room runs."),
    "config": Lazy("cli.config:config", "Show and check the settings of room.yaml."),
    "completion": Lazy("cli.completion:completion", "Print the completion for your shell."),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and first lines without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        module, _, attribute = lazy.target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        names = [name for name in COMMANDS if name.startswith(incomplete)]
        if names and not incomplete.startswith("-"):
            return [CompletionItem(name, help=COMMANDS[name].help) for name in names]
        return click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            raise _unknown(name)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what goes wrong in it reaches the person in words."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click ends quietly when a pager or head has read enough
        except OSError as error:
            raise from_os_error(error) from error
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("ROOM_DEBUG"):
                raise
            raise in_words(error) from error


def _unknown(name: str) -> Problem:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    hint = f"Did you mean: room {near[0]}" if near else "See: room --help"
    return Problem(f"There is no command {name!r}.", hint)


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"room {version('torchroom')}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command has its own --help. Settings: room.yaml, explained in room.example.yaml.",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False),
    help="Use this settings file instead of room.yaml beside docker-compose.yml. "
    "The variable ROOM_CONFIG does the same.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version and leave.",
)
def main(config_file: str | None) -> None:
    """Run a room of GPU servers: one link for everyone, a fair share of the GPUs,
    homes that are never lost.

    \b
    room up          start the room, or finish what is missing
    room user add    let someone in
    room doctor      find out what is wrong
    """
    if config_file:
        os.environ["ROOM_CONFIG"] = config_file
