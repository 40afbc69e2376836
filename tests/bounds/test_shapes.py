"""Every array has the shape and the element type that its annotation says, wherever the bounds go."""

import json
import os
import subprocess
import sys

from sparsebounds import bounds


def test_annotations_are_true(pytestconfig):
    """In a process of its own: the check must be there before the modules are imported."""
    script = pytestconfig.rootpath / "tests/support/array_types.py"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(pytestconfig.rootpath), *filter(None, sys.path)])}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=400, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found["bounds"]) == set(bounds.BOUNDS)
    assert found["certificate"] == "certificate"
    assert found["refused"] == ["length", "type", "axes"]
