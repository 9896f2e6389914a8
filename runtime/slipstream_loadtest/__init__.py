"""Load tests: plan, run, merge, judge, report; the run never judges and the judgement never runs."""
