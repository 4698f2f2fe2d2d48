"""Tests of forwarding, with receivers that do what receivers do."""
