"""The chart in step with the rest of the tree. This needs no Helm."""

import re
import subprocess

from conftest import CHART, TREE


def test_what_follows_from_elsewhere_is_up_to_date():
    result = subprocess.run([CHART / "update", "--check"], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


def test_the_chart_is_of_this_version():
    version = re.search(r"project\(poplar VERSION (\S+)", (TREE / "CMakeLists.txt").read_text())[1]
    chart = (CHART / "Chart.yaml").read_text()
    assert f"version: {version}\n" in chart
    assert f'appVersion: "{version}"\n' in chart
