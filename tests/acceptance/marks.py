"""Where a test runs: a mark for each set of stores."""

import pytest

on_postgresql = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
on_both_stores = pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)
