"""Attributes that a script can read and not set, as those of pycaffe's nets and solvers."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class Fixed(Generic[T]):
    """An attribute that is set once, by `__init__`: setting it again is an AttributeError.

    Setting `solver.iter` or `net.blobs` would change nothing of what is trained.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Fixed[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> T | Fixed[T]:
        if instance is None:
            return self
        try:
            value: T = vars(instance)[self._name]
        except KeyError:
            raise AttributeError(
                f"{type(instance).__name__} has no {self._name!r} yet: its __init__ was not called."
            ) from None
        return value

    def __set__(self, instance: object, value: T) -> None:
        attributes: dict[str, Any] = vars(instance)
        if self._name in attributes:
            raise AttributeError(
                f"{self._name!r} of a {type(instance).__name__} can be read, not set."
            )
        attributes[self._name] = value
