"""Spreadsheets as usage: parsed by a process of its own, within limits of memory and time."""
