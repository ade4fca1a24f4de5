"""Are the installed packages those of requirements.lock, from a registry, under licences that we know?

    python .ci/audit.py

1. Every line of the lock pins one version with ``==``; none names an address or a path.
2. What is installed here is what the lock says: nothing else, nothing less, no other version.
3. Nothing but edgenas itself was installed from an address or a folder.
4. The metadata of each package name a licence of the list below.
5. Where pip-audit is installed and its service answers, no package has a known flaw; else a line says so.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
OURSELVES = {"edgenas"}
INSTALLERS = {"pip", "setuptools", "wheel"}
"""What venv and pip bring, at the version of the Python that made the environment."""

PINNED = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[\w,.-]+\])?==([\w.!+-]+)(?:\s*;.*)?")
LICENCES = re.compile(
    r"apache|\bmit\b|mit license|\bbsd|3-clause|2-clause|\bisc\b|mpl|mozilla public|\bpsf|python software "
    r"foundation|\blgpl|lesser general public|unlicense|public domain|zlib|\bhpnd\b|historical permission|"
    r"0bsd|cc0|mit-cmu",
    re.IGNORECASE,
)
"""Licences that a package of the environment may have: permissive ones, and weak copyleft."""

NAMED_BY_HAND = {"tflite-micro": "Apache-2.0"}  # github.com/tensorflow/tflite-micro
"""Packages whose metadata name no licence, with the one that their source has."""

SECONDS = 60.0
"""What the service may take to answer."""


def main() -> int:
    """Print each fault on a line of its own; 1 if there is one."""
    pinned, faults = read_lock(LOCK.read_text(encoding="utf-8"))
    installed = {normal(found.metadata["Name"]): found for found in metadata.distributions()}
    faults += differences(pinned, {name: found.version for name, found in installed.items()})
    for name, found in sorted(installed.items()):
        faults += origin(name, found.read_text("direct_url.json"))
        faults += licence(name, found)
    known_flaws, said = flaws()
    faults += known_flaws
    for fault in faults:
        print(f"audit: {fault}")
    print(f"audit: {len(pinned)} packages pinned, {len(installed)} installed, {len(faults)} faults; {said}")
    return bool(faults)


def normal(name: str) -> str:
    """A package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(text: str) -> tuple[dict[str, str], list[str]]:
    """Versions by name, and what is wrong with lines of the lock."""
    pinned: dict[str, str] = {}
    faults = []
    for number, line in enumerate(text.splitlines(), start=1):
        wanted = re.sub(r"(^|\s)#.*", "", line).strip().rstrip("\\").strip()
        if not wanted or wanted.startswith("--hash="):
            continue
        if found := PINNED.fullmatch(re.sub(r"\s+--hash=\S+", "", wanted)):
            pinned[normal(found[1])] = found[2]
        else:
            faults.append(f"line {number} of the lock is '{wanted}'; expected NAME==VERSION")
    return pinned, faults


def differences(pinned: dict[str, str], installed: dict[str, str]) -> list[str]:
    """Where the environment is not what the lock says."""
    faults = []
    for name, version in pinned.items():
        if name not in installed:
            faults.append(f"{name} {version} is locked and not installed; run make setup")
        elif installed[name] != version:
            faults.append(f"{name} {installed[name]} is installed, the lock says {version}; run make setup")
    strangers = sorted(installed.keys() - pinned.keys() - OURSELVES - INSTALLERS)
    return faults + [f"{name} {installed[name]} is installed and not in the lock" for name in strangers]


def origin(name: str, direct_url: str | None) -> list[str]:
    """A fault if a package came from an address or a folder and not from a registry."""
    if direct_url is None or name in OURSELVES:
        return []
    return [f"{name} was installed from {json.loads(direct_url).get('url')}; expected a registry's package"]


def licence(name: str, found: metadata.Distribution) -> list[str]:
    """A fault if neither metadata nor the licence's own text name one of the list."""
    if name in OURSELVES:
        return []
    described = found.metadata
    words = [described.get("License-Expression") or "", (described.get("License") or "")[:300]]
    words += [text for text in described.get_all("Classifier") or () if text.startswith("License ::")]
    words.append(NAMED_BY_HAND.get(name, ""))
    if LICENCES.search(" ".join(words)):
        return []
    files = described.get_all("License-File") or ()
    texts = [found.read_text(f"licenses/{file}") or found.read_text(file) or "" for file in files]
    if LICENCES.search(" ".join(text[:300] for text in texts)):
        return []
    said = " ".join(" ".join(words).split())[:80]
    return [f"{name} has the licence '{said}', which is not on the list of .ci/audit.py"]


def flaws() -> tuple[list[str], str]:
    """Known flaws of locked packages, and a line on whether they were asked for."""
    if importlib.util.find_spec("pip_audit") is None:
        return [], "known flaws not asked for: pip-audit is not installed"
    words = [
        "--requirement",
        str(LOCK),
        "--no-deps",
        "--disable-pip",
        "--format",
        "json",
        "--progress-spinner",
        "off",
    ]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", *words],
            capture_output=True, text=True, check=False, timeout=SECONDS,
        )  # fmt: skip
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return [], "known flaws not asked for: the service of pip-audit does not answer"
    answered = [package for package in packages if "skip_reason" not in package]
    if not answered:
        return [], "known flaws not asked for: the service of pip-audit knows none of these packages"
    found = [
        f"{package['name']} {package['version']} has the known flaw {flaw['id']}; mended in "
        f"{', '.join(flaw['fix_versions']) or 'no version yet'}"
        for package in answered
        for flaw in package.get("vulns", ())
    ]
    return found, f"known flaws of {len(answered)} packages asked for with pip-audit"


if __name__ == "__main__":
    sys.exit(main())
