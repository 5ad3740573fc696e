# SPDX-License-Identifier: GPL-2.0
# The guest library; see the files for what there is. In the environment of a
# case: VM (a, b), ROLE (single, server, client), CASE_ID, OUT (a directory
# whose files are kept with the results), SMBDIRECT (rust, c), MODULES, and the
# parameters of the case.

lib=${BASH_SOURCE[0]%/*}/lib
. "$lib/base.sh"
. "$lib/modules.sh"
. "$lib/net.sh"
. "$lib/smb.sh"
. "$lib/measure.sh"
