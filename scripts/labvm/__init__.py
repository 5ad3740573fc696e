# SPDX-License-Identifier: GPL-2.0
"""Virtual machines and test cases of the lab; Python standard library only."""
