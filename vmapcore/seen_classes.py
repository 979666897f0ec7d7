"""Forms of classes, for the names that mean these in a function: they are the classes, but may be called otherwise."""

from typing import Any


class SeenClass(type):
    """The type of such forms; `plain` is the class that one stands for."""

    plain: Any

    def __new__(cls, name: str, bases: tuple[Any, ...], body: dict[str, Any]) -> Any:
        """A class derived from one of the forms inside a function: it derives from what that stands for."""
        return type(name, tuple([b.plain if isinstance(b, SeenClass) else b for b in bases]), body)

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, cls.plain)

    def __subclasscheck__(cls, kind: Any) -> bool:
        return issubclass(kind, cls.plain)

    def __eq__(cls, other: object) -> bool:
        return cls is other or cls.plain is other

    def __hash__(cls) -> int:
        return hash(cls.plain)

    def __repr__(cls) -> str:
        return repr(cls.plain)
