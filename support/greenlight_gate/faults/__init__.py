"""Network faults on purpose: a TCP proxy on loopback, and one small file for each fault."""
