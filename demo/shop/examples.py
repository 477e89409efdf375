"""What to ask the shop: `curl` lines that a POSIX shell and the Windows command line both read."""

from __future__ import annotations

import json
import shlex
from urllib.request import urlopen


def examples(root: str) -> dict[str, str]:
    """Give a title for each line.

    Args:
        root: URL of the API without a slash at its end.
    """
    new = json.dumps({"first_name": "Ada", "last_name": "Byron", "email": "ada@example.com"}).replace('"', r"\"")
    return {
        "List products": f'curl "{root}/products?limit=3"',
        "Filter and sort": f'curl "{root}/products?price__lt=20&is_available__eq=true&order_by=-price"',
        "Follow a relation": f'curl "{root}/customers/1/orders"',
        "Join customers and items": f'curl "{root}/orders?dump=dynamic&join=customer,items&limit=2"',
        "Create a customer": f'curl -X POST "{root}/customers" -H "Content-Type: application/json" -d "{new}"',
    }


def try_reading(root: str) -> None:
    """Ask for every example that only reads, and print what came.

    Raises:
        OSError: An answer is not 200, or none came.
    """
    for line in examples(root).values():
        _, *arguments = shlex.split(line)
        if len(arguments) == 1:
            with urlopen(arguments[0], timeout=10) as response:  # noqa: S310 - the server of this process
                print(f"{response.status} {arguments[0]}")
