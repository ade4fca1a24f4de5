"""Packages of the wheel: `devices/` and `latency_tables/` lie beside the code and ship inside it."""

from setuptools import find_packages, setup

DATA = {"edgenas._devices": "devices", "edgenas._latency_tables": "latency_tables"}

setup(packages=[*find_packages(include=["edgenas*"]), *DATA], package_dir=DATA)
