"""The HTTP way to a target: names, connections, requests as bytes, answers as outcomes. Times nothing."""
