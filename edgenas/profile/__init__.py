"""Devices, runners that measure on them, and sweeps that fill latency tables."""
