"""Settings → JupyterHub's configuration: what a student's server is told."""

import pytest
from traitlets.config import Config

from room.settings import Settings
from spawner import hub


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("https://pypi.example/simple", "https://pypi.example/simple"),
        ("https://reader:s3cret@pypi.example:8443/simple/", "https://pypi.example:8443/simple/"),
        ("https://reader:p%40ss@pypi.example/a?b=c", "https://pypi.example/a?b=c"),
        ("http://token@[::1]:3141/simple", "http://[::1]:3141/simple"),
    ],
)
def test_students_get_the_package_index_without_its_password(given, told):
    assert hub.without_password(given) == told


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        pytest.param({}, 0.0, id="no-end"),
        pytest.param({"session": "12h"}, 43200.0, id="twelve-hours"),
    ],
)
def test_a_server_runs_as_long_as_the_limits_say(limits, seconds):
    c = Config()
    hub.update_limits(c, Settings(limits=limits))
    assert c.RoomSpawner.session == seconds
