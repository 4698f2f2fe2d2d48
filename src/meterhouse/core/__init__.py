"""Values and definitions of metering; standard library only."""
