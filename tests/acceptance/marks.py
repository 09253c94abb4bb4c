"""Marks that select the stores a test runs on."""

import pytest

on_postgresql = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
on_both_stores = pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)
