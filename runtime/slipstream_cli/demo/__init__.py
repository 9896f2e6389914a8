"""`slipstream demo`: a memory server, the layers, a comparison; shows figures that were measured, never ones that were written down."""
