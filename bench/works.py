"""What bench/datapath.py sends: two kinds of requests as scripts of wrk, one run of it, a check that hits are hits; starts no proxy.

W0 is a bare head. W1 is what an instrumented client of a service mesh sends: eleven fields, about 500 bytes, 1,000 targets. Six fields are
always the same (a client library's), two are of 50 identities, two (traceparent, X-Request-Id) are new in each request, so that a proxy may
remember lines that recur, and pays for those that never do. `fixed` repeats these ids after 20,000 requests: what earlier figures were.
"""

from __future__ import annotations

import http.client
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

WORKS = ("W0", "W1")
CONNECTIONS = 64
CREDENTIAL = "Bearer " + "a" * 60
FIELDS = {
    "Host": "memory-server:8080",
    "User-Agent": "python-httpx/0.28",
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "Accept-Language": "en",
    "Content-Type": "application/json",
}
LINES = "".join(f"{name}: {value}\r\n" for name, value in FIELDS.items())

W1 = """
local heads, count = {}, 0
for n = 1, 1000 do
  heads[n] = "GET PATH?q=" .. n .. " HTTP/1.1\\r\\nFIELDSX-Session-Id: s" .. n % 50 .. "\\r\\nAuthorization: CREDENTIAL" .. n % 50
end
local trace = "%s\\r\\ntraceparent: 00-%016x%016x-%016x-01\\r\\nX-Request-Id: %016x%016x\\r\\n\\r\\n"
local base = os.time() % 1000000 * 1000000
request = function()
  count = count + 1
  local id = base + count % REPEAT
  return trace:format(heads[count % 1000 + 1], id * 7919, id, id, id * 6007, id)
end
"""
W0 = """
local bare = "GET PATH HTTP/1.1\\r\\nHost: memory-server:8080\\r\\nX-Session-Id: s1\\r\\n\\r\\n"
request = function() return bare end
"""
DONE = """
done = function(summary, latency)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  print(("RESULT %.0f %.0f %.0f %.0f"):format(summary.requests, summary.bytes, summary.duration, failed))
end
"""


class Load(NamedTuple):
    """What one run of wrk saw."""

    requests: float
    bytes: float
    seconds: float


def script(folder: Path, work: str, path: str, fixed: bool) -> Path:
    """A wrk script that asks for `path` as `work` says."""
    lines = LINES.replace("\r\n", "\\r\\n")
    text = (W1 if work == "W1" else W0).replace("PATH", path).replace("FIELDS", lines).replace("CREDENTIAL", CREDENTIAL)
    found = folder / f"{work}{path.replace('/', '-')}.lua"
    found.write_text(text.replace("REPEAT", "20000" if fixed else "2^52") + DONE)
    return found


def head(work: str, path: str, number: int) -> bytes:
    """The same requests for who doesn't use wrk: that number's."""
    if work == "W0":
        return f"GET {path} HTTP/1.1\r\nHost: {FIELDS['Host']}\r\nX-Session-Id: s1\r\n\r\n".encode()
    identity = f"X-Session-Id: s{number % 50}\r\nAuthorization: {CREDENTIAL}{number % 50}\r\n"
    traced = f"traceparent: 00-{number * 7919:016x}{number:016x}-{number:016x}-01\r\nX-Request-Id: {number * 6007:016x}{number:016x}\r\n"
    return f"GET {path}?q={number % 1000 + 1} HTTP/1.1\r\n{LINES}{identity}{traced}\r\n".encode()


def load(core: int, port: int, wrk_script: Path, seconds: int) -> Load:
    """One run of wrk on `core`; an error of any request ends the bench. Of large bodies none may have ended yet: bytes count."""
    wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "-s", str(wrk_script), f"http://127.0.0.1:{port}"]
    output = subprocess.run(["taskset", "-c", str(core), *wrk], capture_output=True, text=True, check=True).stdout
    result = re.search(r"^RESULT (\d+) (\d+) (\d+) (\d+)$", output, re.MULTILINE)
    if result is None or result[4] != "0" or result[2] == "0":
        raise SystemExit(f"errors under load of {wrk_script.name}:\n{output}")
    requests, size, microseconds = (float(result[n]) for n in range(1, 4))
    return Load(requests, size, microseconds / 1e6)


def check(name: str, port: int, path: str, length: int, partitioned: bool) -> None:
    """Ends the bench unless /hit, and nothing else, is answered from the store, in full, and to its caller alone where `partitioned`."""
    for work in WORKS:
        first, again, other = (ask(port, path, work, identity) for identity in (1, 1, 2))
        if first[1] != length:
            raise SystemExit(f"{name} answers {path} with {first[1]} bytes, {length} expected")
        if (first[0] == again[0]) != (path == "/hit"):
            raise SystemExit(f"{name} answers {path} of {work} {'from its store' if path != '/hit' else 'without its store'}")
        if partitioned and first[0] == other[0]:
            raise SystemExit(f"{name} answers {path} of {work} with what it stored for another caller")


def ask(port: int, path: str, work: str, identity: int) -> tuple[str | None, int]:
    """The upstream's mark on one answer, which is new each time it answers, and the length of the body."""
    fields = {"Host": FIELDS["Host"], "X-Session-Id": f"check{identity}"}
    if work == "W1":
        fields |= FIELDS | {"Authorization": f"{CREDENTIAL}check{identity}"}
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        client.request("GET", f"{path}?check={work}", headers=fields)
        answer = client.getresponse()
        body = answer.read()
        if answer.status != 200 or not answer.headers["X-Mark"]:
            raise SystemExit(f"port {port} answers {path} with {answer.status}, {body[:200]!r}")
        return answer.headers["X-Mark"], len(body)
    finally:
        client.close()
