"""Database drivers: which pip package brings the module that a SQLAlchemy URL needs."""

from __future__ import annotations

from importlib.util import find_spec

import sqlalchemy as sa

__all__ = ["install_line", "with_installed_driver"]

# Module that fails to import, to what pip calls it, where the two differ.
_PACKAGES = {
    "MySQLdb": "mysqlclient",
    "psycopg": '"psycopg[binary]"',
    "psycopg2": "psycopg2-binary",
    "pymysql": "PyMySQL",
    "mysql": "mysql-connector-python",
    "cx_Oracle": "oracledb",
}

# Backend to its drivers, as `(driver, module)`, the one to recommend first.
_DRIVERS = {
    "postgresql": (("psycopg", "psycopg"), ("psycopg2", "psycopg2")),
    "mysql": (("pymysql", "pymysql"), ("mysqldb", "MySQLdb")),
    "mariadb": (("pymysql", "pymysql"), ("mysqldb", "MySQLdb")),
}


def install_line(module: str) -> str:
    """Give the command that installs the driver with this module."""
    top = module.partition(".")[0]
    return f"pip install {_PACKAGES.get(top, top)}"


def with_installed_driver(url: sa.URL) -> sa.URL:
    """Name a driver in a URL that names none: the first one installed for its database, else the recommended one."""
    drivers = _DRIVERS.get(url.drivername)
    if drivers is None:
        return url
    chosen = next((driver for driver, module in drivers if find_spec(module)), drivers[0][0])
    return url.set(drivername=f"{url.drivername}+{chosen}")
