"""Settings → JupyterHub's configuration: what a student's server is told."""

import pytest
from traitlets.config import Config

from room.settings import GIB, Settings
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


@pytest.mark.parametrize(
    ("classes", "limits"),
    [
        pytest.param({}, (20 * GIB, 2 * GIB), id="where nothing is said"),
        pytest.param({"folder": "1G", "hand_in": 0}, (GIB, 0), id="as the admin says"),
    ],
)
def test_class_folders_hold_what_the_settings_say(classes, limits):
    c = Config()
    hub.update_limits(c, Settings(classes=classes))
    assert (c.RoomSpawner.class_folder_hard, c.RoomSpawner.hand_in_hard) == limits
