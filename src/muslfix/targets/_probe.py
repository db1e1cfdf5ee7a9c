# ruff: noqa: UP032
"""The script that a target interpreter runs to tell the facts about itself.

:mod:`muslfix.targets.interpreter` hands its source to ``PYTHON -I -S -B -c``. Its rules, which tests hold:

- The standard library only, and no import of muslfix: the target need not have it.
- The syntax of Python 3.4, so that 3.4 and 3.5 get as far as saying that they are too old; hence no
  f-strings, and annotations in quotes where they need a later version. Older ones do not know ``-I``.
- It only reports. Every judgement (libc, ELF, whether the facts fit together) is made by who asks.
- It changes nothing: ``-B`` keeps bytecode from being written into the target.
- It answers with one line, :data:`MARK` and a JSON object in the bytes of the file system, so that
  what a wrapper prints before or after does no harm and a path need not be valid text.

``-S`` keeps ``site`` away, and with it ``sitecustomize`` and ``.pth`` files, which print, import and take
their time. But up to 3.13 it is ``site`` that finds out about a virtual environment, so that part is
done here; from 3.14 on the interpreter does it itself (https://docs.python.org/3/library/site.html).
"""

import sys

MARK = "muslfix-probe: "

#: Takes the place of the other prefix while the paths below it are computed.
_PREFIX = "/muslfix-prefix"


def main() -> None:
    """Print the facts; of a Python that muslfix does not serve, only what it is."""
    if sys.version_info < (3, 6) or sys.implementation.name != "cpython":
        _answer(_identity())
        return
    _enter_virtual_environment()
    _answer(facts())


def _answer(facts: "dict[str, object]") -> None:
    import json
    import os

    text = "\n" + MARK + json.dumps(facts, ensure_ascii=False) + "\n"
    sys.stdout.buffer.write(os.fsencode(text))
    sys.stdout.buffer.flush()


def _enter_virtual_environment() -> None:
    """What ``site.venv()`` does, without its search path: a ``pyvenv.cfg`` moves the prefix.

    It must come before ``sysconfig`` is imported, which remembers the prefix.
    """
    from os.path import abspath, dirname, isfile, join

    directory = dirname(abspath(sys.executable))
    prefix = dirname(directory)
    if isfile(join(directory, "pyvenv.cfg")) or isfile(join(prefix, "pyvenv.cfg")):
        sys.prefix = sys.exec_prefix = prefix


def _identity() -> "dict[str, object]":
    return {
        "implementation": sys.implementation.name,
        "version": _version(sys.version_info),
    }


def facts() -> "dict[str, object]":
    """All facts of the Python that runs this."""
    import _imp
    import os
    import sysconfig

    found = _identity()
    found.update(
        abi_flags=sys.abiflags,
        # What EXTENSION_SUFFIXES is made from at the start, and what the import system keeps a copy of:
        # changing the list later changes no import.
        extension_suffixes=_imp.extension_suffixes(),
        platform=sysconfig.get_platform(),
        glibc_version=_glibc_version(),
        executable=sys.executable,
        image=_image(),
        prefix=os.path.normpath(sys.prefix),
        scheme=scheme(),
        prefix_scheme=_prefix_scheme(),
        environment=_environment(),
        externally_managed=externally_managed(),
        user_site=user_site(),
        markers=_markers(),
    )
    return found


def _version(info: "sys._version_info") -> str:
    """``3.9.18``, ``3.15.0a1``: as ``packaging.markers.format_full_version``."""
    version = "{}.{}.{}".format(info[0], info[1], info[2])
    return version if info[3] == "final" else version + info[3][0] + str(info[4])


def _glibc_version() -> "str | None":
    """``glibc 2.36``; musl answers with an error, also where gcompat plays glibc."""
    import os

    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (OSError, ValueError):
        return None


def _image() -> "str | None":
    """The file that is being executed; not ``sys.executable`` where a wrapper set the name."""
    import os

    try:
        return os.readlink("/proc/self/exe")
    except OSError:
        return None


def _in_virtual_environment() -> bool:
    return sys.prefix != sys.base_prefix


def _environment() -> str:
    import os

    if _in_virtual_environment():
        return "virtual environment"
    return "conda" if os.path.isdir(os.path.join(sys.prefix, "conda-meta")) else "system"


def externally_managed() -> "str | None":
    """The marker of PEP 668, which says nothing about virtual environments."""
    import os
    import sysconfig

    marker = os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
    return marker if os.path.isfile(marker) and not _in_virtual_environment() else None


def user_site() -> "str | None":
    """The user's own site directory, if this Python imports from it when it is started as usual.

    ``site`` decides that at the start. This asks not what it has decided: ``-I`` and ``-s``, with which this
    may run, say nothing about the next start. ``PYTHONNOUSERSITE`` does.
    """
    import os

    if os.environ.get("PYTHONNOUSERSITE") or not _sees_system_packages():
        return None
    if os.getuid() != os.geteuid() or os.getgid() != os.getegid():
        return None
    import site  # which does nothing by itself where -S is given

    return os.path.abspath(site.getusersitepackages())


def _sees_system_packages() -> bool:
    """What ``site.venv()`` reads: a virtual environment sees the user's packages only with the system's."""
    from os.path import abspath, dirname, isfile, join

    if not _in_virtual_environment():
        return True
    for directory in (dirname(abspath(sys.executable)), sys.prefix):
        if isfile(join(directory, "pyvenv.cfg")):
            with open(join(directory, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
                pairs = [line.partition("=") for line in file]
            settings = {key.strip().lower(): value.strip().lower() for key, _, value in pairs}
            return settings.get("include-system-site-packages", "true") == "true"
    return True


def scheme() -> "dict[str, str]":
    """The paths that pip installs to by default, never those of the user scheme."""
    if _distutils_decides():
        return _distutils_scheme(None)
    return _sysconfig_scheme(_preferred_scheme(), {}, sys.prefix)


def _prefix_scheme() -> "dict[str, str]":
    """The paths of ``pip install --prefix``, relative to that prefix."""
    if _distutils_decides():
        paths = _distutils_scheme(_PREFIX)
    else:
        # Debian's posix_local is /usr/local seen from /usr; in another prefix it is wrong (pypa/pip#10978).
        name = _preferred_scheme()
        name = "posix_prefix" if name == "posix_local" else name
        keys = ("installed_base", "base", "installed_platbase", "platbase", "prefix", "exec_prefix")
        paths = _sysconfig_scheme(name, dict.fromkeys(keys, _PREFIX), _PREFIX)
    # The data directory is the prefix itself, which leaves an empty path.
    return {key: path[len(_PREFIX) :].lstrip("/") for key, path in paths.items()}


def _preferred_scheme() -> str:
    import sysconfig

    if hasattr(sysconfig, "get_preferred_scheme"):  # 3.10
        return sysconfig.get_preferred_scheme("prefix")
    return "posix_prefix"


def _sysconfig_scheme(name: str, variables: "dict[str, str]", prefix: str) -> "dict[str, str]":
    import os
    import sysconfig

    paths = sysconfig.get_paths(name, variables)
    headers = paths["include"]
    if _in_virtual_environment():  # the base's directory is not ours to write to; pip has its own
        headers = os.path.join(prefix, "include", "site", "python{}.{}".format(*sys.version_info))
    return {
        "purelib": paths["purelib"],
        "platlib": paths["platlib"],
        "headers": headers,
        "scripts": paths["scripts"],
        "data": paths["data"],
    }


def _distutils_decides() -> bool:
    """Whether pip asks distutils for the paths, and it may say other ones than sysconfig.

    Before 3.10 pip asks distutils. That is three times as slow and tells nothing new but for the Python
    of a distribution: Debian and Fedora patched ``/usr/local`` into distutils alone.
    """
    import sysconfig

    if getattr(sysconfig, "_PIP_USE_SYSCONFIG", sys.version_info >= (3, 10)):
        return False
    return sys.prefix == "/usr" and not _in_virtual_environment()


def _distutils_scheme(prefix: "str | None") -> "dict[str, str]":
    from distutils.command.install import install  # type: ignore[import-not-found,unused-ignore]
    from distutils.dist import Distribution
    from os.path import dirname

    command = install(Distribution({"name": "name"}))
    command.prefix = prefix
    command.finalize_options()
    return {
        "purelib": command.install_purelib,
        "platlib": command.install_platlib,
        "headers": dirname(command.install_headers),  # which ends with the project's name
        "scripts": command.install_scripts,
        "data": command.install_data,
    }


def _markers() -> "dict[str, str]":
    """The environment of PEP 508, from ``os.uname``: ``platform`` reads the same and imports much."""
    import os

    uname = os.uname()
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": _version(sys.implementation.version),
        "os_name": os.name,
        "platform_machine": uname.machine,
        "platform_python_implementation": "CPython",
        "platform_release": uname.release,
        "platform_system": uname.sysname,
        "platform_version": uname.version,
        "python_full_version": sys.version.split()[0],
        "python_version": "{}.{}".format(*sys.version_info),
        "sys_platform": sys.platform,
    }


if __name__ == "__main__":
    main()
