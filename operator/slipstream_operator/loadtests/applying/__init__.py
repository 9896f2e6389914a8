"""Doing what was decided: objects, words to runners, results, the status. Decides nothing."""
