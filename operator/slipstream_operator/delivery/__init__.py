"""From a compiled configuration to an acknowledgement: keys, signed envelopes, push, who has what. Compiles nothing, writes no status."""
