"""Errors that a user can cause and mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class InputError(Exception):
    """What a user gave cannot be used; the command line prints it and exits with 2.

    Parameters
    ----------
    what
        What was found, with the offending value.
    where
        The file, and row and column where they apply.
    fix
        What to do about it.
    """

    def __init__(self, what: str, where: object, fix: str) -> None:
        self.what = what
        self.where = str(where)
        self.fix = fix
        super().__init__(f"{what}\n  where: {where}\n  fix:   {fix}")


class CombinedInputError(InputError):
    """Several input errors found in one pass, so that all can be mended at once.

    Parameters
    ----------
    errors
        The errors, in the order a reader of the file meets them. At least one.
    """

    def __init__(self, errors: Iterable[InputError]) -> None:
        self.errors = tuple(errors)
        if not self.errors:
            message = "CombinedInputError needs at least one error"
            raise ValueError(message)
        first = self.errors[0]
        super().__init__(first.what, first.where, first.fix)
        self.args = ("\n".join(str(error) for error in self.errors),)


def raise_all(errors: list[InputError]) -> None:
    """Raise the errors together, if there are any.

    Parameters
    ----------
    errors
        Errors gathered by a check; may be empty.

    Raises
    ------
    InputError
        The only error, or all of them as `CombinedInputError`.
    """
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise CombinedInputError(errors)
