"""Sizes on the command line."""

import click

from quiredb.settings import byte_count


class ByteCount(click.ParamType):
    """A number of bytes: 1048576, 512K, 700M, 4G."""

    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, or a message that says what one looks like."""
        try:
            return value if isinstance(value, int) else byte_count(value)
        except ValueError:
            self.fail(f"{value!r} is not a size: write 700M or 4G", param, ctx)
