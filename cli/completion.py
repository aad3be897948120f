"""``room completion``: what a shell needs to complete ``room``'s commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from cli.errors import Problem


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion of room for SHELL. To have it in every new shell:

    \b
    bash    room completion bash > ~/.local/share/bash-completion/completions/room
    zsh     room completion zsh > "${fpath[1]}/_room"
    fish    room completion fish > ~/.config/fish/completions/room.fish

    Bash needs version 4.4 or newer, and the package bash-completion. Make the
    directory first if it is not there. The room command must be on your PATH:

    \b
    sudo ln -s "$PWD/.venv/bin/room" /usr/local/bin/room
    """
    root = ctx.find_root().command
    made = get_completion_class(shell)
    if made is None:
        raise Problem(f"There is no completion for {shell}.", "Choose bash, zsh or fish.")
    click.echo(made(root, {}, "room", "_ROOM_COMPLETE").source())
