"""Entry of `python -m slipstream_operator`. Holds no logic."""

from __future__ import annotations

import sys

from slipstream_operator.main import main

sys.exit(main())
