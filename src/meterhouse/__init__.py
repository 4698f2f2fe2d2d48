"""Meterhouse turns raw usage into metered records, exactly."""
