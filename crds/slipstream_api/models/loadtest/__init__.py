"""The LoadTest kind: target, load, judgement, running. Declarations only."""

from slipstream_api.models.loadtest.judgement import Checks, Comparison, Degradation, Isolation, MemoryGrowth, Threshold
from slipstream_api.models.loadtest.load import Data, Expect, HttpStep, Scenario, Stage, Step, ThinkTime
from slipstream_api.models.loadtest.running import History, Runners, Schedule, Triggers
from slipstream_api.models.loadtest.spec import LoadTestSpec
from slipstream_api.models.loadtest.target import ConfigMapKey, Connections, PoolRef, Target, TargetTls

__all__ = [
    "Checks",
    "Comparison",
    "ConfigMapKey",
    "Connections",
    "Data",
    "Degradation",
    "Expect",
    "History",
    "HttpStep",
    "Isolation",
    "LoadTestSpec",
    "MemoryGrowth",
    "PoolRef",
    "Runners",
    "Scenario",
    "Schedule",
    "Stage",
    "Step",
    "Target",
    "TargetTls",
    "ThinkTime",
    "Threshold",
    "Triggers",
]
