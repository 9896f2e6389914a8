"""HTTP/1.1 on the wire: heads, framing, chunks. Pure: bytes in, decisions out; opens no socket and reads no clock.

`scanner.SCANNER` says which scanner of header lines is in force, `c` or `python`: both accept the same."""
