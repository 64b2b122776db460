"""Empty containers as defaults of attrs classes that are made in great numbers.

`Factory(list[Message])` calls a generic alias, which takes longer than to make the list (0.3 µs on
Python 3.11); type checkers want more than `Factory(list)`.
"""

from collections.abc import Callable
from typing import Any

new_list: Callable[[], list[Any]] = list
new_dict: Callable[[], dict[Any, Any]] = dict
