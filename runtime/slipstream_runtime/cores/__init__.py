"""The pure state machines of the data path: what to do, never the doing. No asyncio, no I/O, no clock, no global state.

A memo of a pure function isn't state.
Time is an argument (`now`, monotonic seconds), randomness is injected, and every look-up a request makes is O(1).
"""
