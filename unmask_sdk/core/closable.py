"""Base class of objects that hold a resource and are used in `with` blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, SupportsIndex

from unmask_sdk.errors import InvalidInputError

if TYPE_CHECKING:
    from typing_extensions import Self


class Closable:
    """Base class of objects with a `close` method."""

    def close(self) -> None:
        """Releases what the object holds."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Refuses copies, which pickling and `copy` make.

        A copy that opened the resource again would do so for each task of a pool, unseen.

        Raises:
            InvalidInputError: Always.
        """
        raise InvalidInputError(
            f"{_with_article(type(self).__name__)} cannot be pickled or copied, because it holds "
            "what belongs to one process: engines, threads, devices; open one in each worker "
            "process, such as in the pool's initializer (docs/workers.md)"
        )


def _with_article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
