"""Fixtures and options that all tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

pytest_plugins = ["tests.plugins.golden"]

# Compiled code of earlier runs, and of the user's own programs, must not answer for this one.
_CACHE = tempfile.mkdtemp(prefix="graphdl-tests-")
atexit.register(shutil.rmtree, _CACHE, ignore_errors=True)
os.environ["GRAPHDL_CACHE_DIR"] = _CACHE

# The same examples on every run, and no complaint about a busy machine; `--hypothesis-profile
# nightly` draws new ones.
_BUSY = [HealthCheck.too_slow]
hypothesis_settings.register_profile(
    "quick", deadline=None, derandomize=True, suppress_health_check=_BUSY
)
hypothesis_settings.register_profile("nightly", deadline=None, suppress_health_check=_BUSY)
hypothesis_settings.load_profile("quick")
