"""Names of the files that a run leaves in its ConfigMaps, for who writes them and who reads them. Holds no logic."""

from __future__ import annotations

from typing import Final

PLAN_FILE: Final = "plan.json"  # in the plan's
RESULT_FILE: Final = "result.json"  # in the result's
MEASURED_FILE: Final = "measured"  # in the result's binaryData: what a later run is compared with
