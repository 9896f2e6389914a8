"""Runs of LoadTests: gathering → asking and deciding (both pure) → applying, put together by controller.py; measures and judges nothing."""
