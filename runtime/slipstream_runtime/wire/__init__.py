"""Connected sockets as transports, in C where that was built. Knows no protocol, no policy, and no name of a host."""
