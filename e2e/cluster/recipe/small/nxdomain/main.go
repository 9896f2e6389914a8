// nxdomain: answers NXDOMAIN to every DNS question on UDP at ADDR:PORT; must not forward anything to anyone.
// Docker's resolver gives no answer at all while its upstream is silent, so that in a network namespace
// without an uplink every outside name would cost its caller a time-out.
package main

import (
	"fmt"
	"net"
	"os"
)

const header = 12

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: nxdomain ADDR:PORT")
		os.Exit(2)
	}
	conn, err := net.ListenPacket("udp", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	b := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if end := refuse(b[:n]); end > 0 {
			_, _ = conn.WriteTo(b[:end], from)
		}
	}
}

// refuse turns the query in b into its refusal and returns the refusal's length, or 0 if b is no query.
func refuse(b []byte) int {
	if len(b) < header || b[2]&0x80 != 0 || b[4] != 0 || b[5] != 1 {
		return 0
	}
	end := header
	for end < len(b) && b[end] != 0 {
		end += int(b[end]) + 1
	}
	end += 5 // the root label, type and class
	if end > len(b) {
		return 0
	}
	b[2] = b[2]&0x79 | 0x80 // a response, with the query's opcode and RD
	b[3] = 0x83             // recursion available, NXDOMAIN
	clear(b[6:header])      // no records: whatever followed the question is cut off
	return end
}
