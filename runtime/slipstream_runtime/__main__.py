"""`python -m slipstream_runtime`: the sidecar, told by its environment (control/settings.py). Holds no logic."""

from __future__ import annotations

import os
import sys

import uvloop

from slipstream_runtime.control.settings import SettingsError, read_settings
from slipstream_runtime.observe.logs import configure_logs
from slipstream_runtime.sidecar import serve


def main() -> int:
    """Exit code 0 after a signal, 2 when the environment can't be understood."""
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    configure_logs(settings.log_level)
    return uvloop.run(serve(settings))


if __name__ == "__main__":
    sys.exit(main())
