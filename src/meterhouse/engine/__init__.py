"""The metering kernel: columns in, columns out; no I/O, no clock."""
