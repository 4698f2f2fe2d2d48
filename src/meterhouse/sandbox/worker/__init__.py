"""The process that runs scripts; nothing here is imported by the process that starts it.

The worker is started on a bare interpreter without site-packages, so its modules import the
standard library only, and little of that: each millisecond here is paid by every run.
"""
