# SPDX-License-Identifier: GPL-2.0
"""The deterministic comparison of `make bench`."""
