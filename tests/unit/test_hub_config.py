"""Settings → JupyterHub's configuration: what a student's server is told."""

import pytest

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
