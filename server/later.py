"""Modules that are imported when somebody first asks for something in them.

A start imports much that no start uses: a database's code, a debugger, three HTTP
clients. ``postpone`` puts a stand-in where such a module belongs. It has the real one's
place, path and name, and becomes the real one at the first access to an attribute, for
everybody who holds it already. Nothing is taken away; it only comes when it is used.

``from module import name`` asks at once, so such names can be given beforehand, for as long as
the start lasts; the real module brings its own when it comes.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

#: Dunder names that code asks a module for on purpose. All others are looked at in passing,
#: by who goes through ``sys.modules``: that must not import everything that was postponed.
_ASKED = ("__all__", "__version__")

#: Everything that was ever postponed, by name.
_postponed: set[str] = set()
#: What is being brought, by name.
_coming: set[str] = set()
_lock = threading.RLock()


class _Later(ModuleType):
    """The stand-in. ``importlib.util.LazyLoader`` has one too, but ``import`` wakes it."""

    def __getattr__(self, name: str) -> Any:
        inner = f"{self.__name__}.{name}"
        if inner in sys.modules or inner in _postponed:
            return import_module(inner)
        if name.startswith("__") and name not in _ASKED:
            raise AttributeError(name)
        bring(self)
        if type(self) is _Later:  # it is coming, in this thread, and does not have this yet
            raise AttributeError(name)
        return getattr(self, name)


def bring(module: ModuleType) -> None:
    """Make a postponed module the real one, and its package before it.

    Raises what the import raises.
    """
    with _lock:
        package = sys.modules.get(module.__name__.rpartition(".")[0])
        if package is not None:
            bring(package)
        name = module.__name__
        if type(module) is _Later and name not in _coming:
            _coming.add(name)
            try:
                module.__spec__.loader.exec_module(module)  # type: ignore[union-attr]
                # Last: other threads wait until all of it is there.
                module.__class__ = ModuleType
            finally:
                _coming.remove(name)


def real(name: str) -> ModuleType:
    """Import a module, and have all of it: also of one that was postponed."""
    module = import_module(name)
    bring(module)
    return module


class _Loader:
    """Leaves a stand-in instead of running the module's code.

    Neither this nor the finder is a subclass of what ``importlib.abc`` has for it: importing
    that takes longer than all that is done here.
    """

    def __init__(self, loader: Any, given: Mapping[str, Any]) -> None:
        self._loader = loader
        self._given = given

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = module.__spec__.loader = self._loader  # type: ignore[union-attr]
        vars(module).update(self._given)
        module.__class__ = _Later


class _Known:
    """Loads a module that is there already: its code has run, and does not run again."""

    def __init__(self, spec: ModuleSpec | None) -> None:
        self._spec = spec

    @classmethod
    def spec(cls, name: str) -> ModuleSpec:
        """Return what to find for ``name``, which was imported while it was being looked for."""
        module = sys.modules[name]
        # ``import`` loads by the module's own in such a case, whatever was found.
        module.__spec__ = ModuleSpec(name, cls(module.__spec__))  # type: ignore[arg-type]
        return module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _Finder:
    def __init__(self, modules: Mapping[str, Mapping[str, Any]], parts: Collection[str]) -> None:
        self.modules, self.parts = modules, parts
        self._mine = frozenset(modules)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        given = self.modules.get(name)
        if given is not None:
            spec = PathFinder.find_spec(name, path, target)
            if spec is not None:
                spec.loader = _Loader(spec.loader, given)  # type: ignore[assignment]
            return spec
        package = name.rpartition(".")[0]
        waits = package in self._mine and type(sys.modules.get(package)) is _Later
        if waits and package not in self.parts:
            # A package's code comes before its modules', which may count on that.
            if not _lock.acquire(blocking=False):
                return self._later(name, path, target)
            try:
                bring(sys.modules[package])
            finally:
                _lock.release()
            if name in sys.modules:  # the package has imported this one
                return _Known.spec(name)
        return None

    def _later(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        """Postpone a module whose package another thread may be bringing.

        To wait for that thread here would be for ever: it may want this module, whose lock
        Python holds for us. The module comes, after its package, when something in it is asked for.
        """
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None:
            spec.loader = _Loader(spec.loader, {})  # type: ignore[assignment]
        return spec


def postpone(
    modules: Mapping[str, Mapping[str, Any]], parts: Collection[str] = ()
) -> Callable[..., None]:
    """Let ``modules`` come later; each with the names that others import from it at once.

    To import a module of a package that waits brings the package, unless it is among
    ``parts``: packages of which one module is good without the others. Returns what
    ends all this: who imports one of ``modules`` after that gets the real one, and so
    does who asks one that still waits for a name that was given. With ``forget`` those
    that still wait were never there: for when nobody holds one of them.
    """
    finder = _Finder(modules, parts)
    _postponed.update(modules)
    sys.meta_path.insert(0, finder)  # type: ignore[arg-type]

    def end(forget: bool = False) -> None:
        for name, given in modules.items():
            module = sys.modules.get(name)
            if type(module) is not _Later:
                continue
            for one in given:
                delattr(module, one)
            if forget:
                del sys.modules[name]
        finder.modules, finder.parts = {}, ()

    return end
