"""Starts the shop: `python demo/shop/app.py`. The program is in `shop.py`, which an old Python cannot even read."""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - the reason for this file
    sys.exit("shop: this is Python %d.%d; start the demo with Python 3.10 to 3.13." % sys.version_info[:2])  # noqa: UP031

try:
    from shop import main
except ImportError as error:
    sys.exit("shop: %s; run `nox -s demo`, or install flarchitect in this Python." % error)  # noqa: UP031

if __name__ == "__main__":
    main()
