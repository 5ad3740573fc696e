/* SPDX-License-Identifier: GPL-2.0 */
/* Input of bindgen: the headers that the kernel crate's own bindings lack. */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/inet.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/uio.h>
#include <linux/seq_file.h>
#include <net/sock.h>
#include <rdma/ib_verbs.h>
#include <rdma/ib_cm.h>
#include <rdma/rdma_cm.h>
#include <rdma/rw.h>
#include <linux/smbdirect.h>
#include "helpers.h"
#include "smbdirect_trace.h"
#include "../../ksmbd/smbdirect_policy.h"
