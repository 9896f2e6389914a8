"""Runs of LoadTests: gather (gather.py, runners.py) → decide (decide.py, pure) → apply (apply.py); measures and judges nothing itself."""
