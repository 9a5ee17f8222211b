"""Debian packages unpacked into a private folder: no root, no compiler, nothing outside that folder.

A private apt configuration resolves the dependency closure in Debian 13 (trixie), `dpkg-deb -x` unpacks it, and a
small wrapper starts each program under the unpacked loader and libc, so that the machine's own libc doesn't matter. The
mirror is the one of the machine's own apt sources, or `mirror`.
"""

import fcntl
import hashlib
import logging
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

SUITE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# What only maintainer scripts, the JIT or a whole system would want of the closure.
NOT_NEEDED = re.compile(
    r".*perl.*|postgresql-common.*|postgresql-client-common|openssl.*|ssl-cert|locales.*|libc-l10n|libllvm.*|libz3.*"
    r"|debconf.*|libdebconf.*|cdebconf|passwd|adduser|login.*|base-passwd|procps|libproc.*|ucf|sysvinit-utils"
    r"|init-system-helpers|netbase|readline-common|libpam-modules.*|libsemanage.*|libsepol.*|sensible-utils|libdb5.*"
    r"|libgdbm.*|tzdata|libaudit-common|libsasl2-modules-db|libbz2.*|libacl1|libattr1|libc-bin|libtext-.*|gcc-.*-base"
)
NOT_KEPT = (
    *("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian"),
    *("usr/lib/postgresql/*/lib/bitcode", "usr/lib/postgresql/*/lib/llvmjit*"),
)
WRAPPER = """#!/bin/sh
f=$(readlink -f "$0"); d=${f%/*/*}; r=$(readlink -f "$d/UP")
case $0 in */*) a=$0;; *) a=$f;; esac
for l in "$r"/usr/lib64/ld-linux-x86-64.so.2 "$r"/usr/lib/*-linux-gnu/ld-linux-*.so.*; do [ -e "$l" ] && break; done
exec "$l" --argv0 "$a" --library-path "$(echo "$r"/usr/lib/*-linux-gnu)" "$d/elf/${f##*/}" "$@"
"""


class PackagesUnavailable(RuntimeError):
    """The packages could not be had; the first line says what to do."""


def unpack_programs(packages: Sequence[str], root: Path, *, mirror: str | None = None) -> Path:
    """Unpack `packages` with all they need into `root`, once; return `root`. Safe to call from many processes at once.

    Raises:
        PackagesUnavailable: no apt, no mirror, or the network failed.
    """
    wanted = hashlib.sha256(f"{SUITE} {sorted(packages)} {NOT_KEPT} {WRAPPER}".encode()).hexdigest()
    stamp = root.with_name(root.name + ".stamp")
    with _locked(root):
        if stamp.exists() and stamp.read_text() == wanted and root.exists():
            return root
        with tempfile.TemporaryDirectory(prefix=".unpack-", dir=root.parent) as scratch:
            fresh = Path(scratch, "root")
            _download_and_unpack(packages, Path(scratch), fresh, closure=True, mirror=mirror)
            for unwanted in (path for pattern in NOT_KEPT for path in fresh.glob(pattern)):
                shutil.rmtree(unwanted) if unwanted.is_dir() else unwanted.unlink()
            _wrap_programs(fresh)
            _let_all_read(fresh)
            shutil.rmtree(root, ignore_errors=True)
            fresh.rename(root)
        stamp.write_text(wanted)
    return root


def unpack_one(package: str, folder: Path, *, mirror: str | None = None) -> None:
    """Unpack the files of `package` alone, without what it depends on, into `folder`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=folder.parent) as scratch:
        _download_and_unpack([package], Path(scratch), folder, closure=False, mirror=mirror)


def _download_and_unpack(
    packages: Sequence[str], scratch: Path, into: Path, *, closure: bool, mirror: str | None
) -> None:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise PackagesUnavailable(f"{tool} is missing: this needs a Debian or Ubuntu machine")
    environ = _private_apt(scratch / "apt", mirror)
    log.info("asking the Debian mirror for its list of packages (suite %s)", SUITE)
    _apt(["update", "-qq"], environ, scratch)
    names = _closure(packages, environ, scratch) if closure else list(packages)
    debs = scratch / "debs"
    debs.mkdir()
    for done, _ in enumerate(_downloads(names, environ, debs), start=1):
        if done == len(names) or done % 10 == 0:
            log.info("packages for %s: %d of %d downloaded", packages[0], done, len(names))
    into.mkdir(parents=True, exist_ok=True)
    for deb in sorted(debs.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", deb, into], check=True)


def _private_apt(folder: Path, mirror: str | None) -> dict[str, str]:
    for sub in ("lists/partial", "cache/archives/partial", "none.d"):
        (folder / sub).mkdir(parents=True)
    (folder / "status").touch()
    key = KEYRING if KEYRING.exists() else _keyring_from_own_sources(folder)
    (folder / "sources.list").write_text(f"deb [signed-by={key}] {mirror or _own_mirror()} {SUITE} main\n")
    (folder / "apt.conf").write_text(f"""
Dir::Etc::sourcelist "{folder}/sources.list"; Dir::Etc::sourceparts "{folder}/none.d";
Dir::Etc::preferencesparts "{folder}/none.d"; Dir::Etc::preferences "{folder}/none";
Dir::State "{folder}"; Dir::State::lists "{folder}/lists"; Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache"; Acquire::Languages "none"; Acquire::Retries "3"; APT::Sandbox::User "";
""")
    return {**os.environ, "APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C"}


def _own_mirror() -> str:
    targets = _apt(["indextargets", "--format", "$(ORIGIN) $(REPO_URI)"], os.environ, Path("/"))
    for origin, _, address in (line.partition(" ") for line in targets.splitlines()):
        if origin == "Debian" and "security" not in address:
            return address
    raise PackagesUnavailable(
        "this machine's apt sources name no Debian mirror: set NGATU_DEBIAN_MIRROR to one, or run apt-get update first"
    )


def _keyring_from_own_sources(folder: Path) -> Path:
    _apt(["download", "-qq", "debian-archive-keyring"], os.environ, folder)
    for deb in folder.glob("debian-archive-keyring_*.deb"):
        subprocess.run(["dpkg-deb", "-x", deb, folder / "keyring"], check=True)
    found = folder / "keyring" / KEYRING.relative_to("/")
    if not found.exists():
        raise PackagesUnavailable("ask for the package debian-archive-keyring: it holds the keys of Debian's packages")
    return found


def _closure(packages: Sequence[str], environ: Mapping[str, str], cwd: Path) -> list[str]:
    plan = _apt(["install", "-s", "--no-install-recommends", *packages], environ, cwd)
    names = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    return [name for name in names if not NOT_NEEDED.fullmatch(name)]


def _downloads(names: Sequence[str], environ: Mapping[str, str], into: Path) -> Iterator[str]:
    command = ["apt-get", "download", "-q", *names]
    with subprocess.Popen(
        command, env=dict(environ), cwd=into, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as apt:
        assert apt.stdout is not None
        assert apt.stderr is not None
        yield from (line for line in apt.stdout if line.startswith("Get:"))
        said = apt.stderr.read()
    if apt.returncode:
        raise PackagesUnavailable(_cause(said))


def _apt(arguments: Sequence[str], environ: Mapping[str, str], cwd: Path) -> str:
    done = subprocess.run(
        ["apt-get", *arguments], env=dict(environ), cwd=cwd, text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise PackagesUnavailable(_cause(done.stderr))
    return done.stdout


def _cause(said: str) -> str:
    errors = [line.removeprefix("E: ") for line in said.splitlines() if line.startswith("E: ")]
    if any("No space left" in line for line in said.splitlines()):
        return "the disk is full: free 1 GB, or set NGATU_HOME to a folder on another disk"
    return f"could not get Debian packages (is the mirror reachable?): {errors[0] if errors else said.strip()[-300:]}"


def _wrap_programs(root: Path) -> None:
    """Move each program to `elf/` beside its folder, and put a wrapper in its place."""
    for folder in (*root.glob("usr/lib/postgresql/*/bin"), root / "usr/bin", root / "usr/sbin"):
        programs = [file for file in folder.glob("*") if file.is_file() and not file.is_symlink() and _is_elf(file)]
        elf = folder.parent / "elf"
        elf.mkdir(exist_ok=True)
        for program in programs:
            program.rename(elf / program.name)
            up = "/".join([".."] * len(folder.parent.relative_to(root).parts))
            program.write_text(WRAPPER.replace("UP", up))
            program.chmod(0o755)


def _is_elf(file: Path) -> bool:
    with file.open("rb") as content:
        return content.read(4) == b"\x7fELF"


def _let_all_read(root: Path) -> None:
    subprocess.run(["chmod", "-R", "a+rX", root], check=True)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    root.parent.mkdir(parents=True, exist_ok=True)
    with root.with_name(root.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
