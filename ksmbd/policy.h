/* SPDX-License-Identifier: GPL-2.0 */
/* What ksmbd's files look up in the place of its own functions; Kbuild has the same list. */
#ifndef KSMBD_POLICY_H
#define KSMBD_POLICY_H

#include "ksmbd_work.h"
#include "mgmt/tree_connect.h"

int policy_smb2_tree_connect(struct ksmbd_work *work);
int policy_smb2_open(struct ksmbd_work *work);
int policy_smb2_query_info(struct ksmbd_work *work);
int policy_smb2_query_dir(struct ksmbd_work *work);
int policy_smb2_set_info(struct ksmbd_work *work);
int policy_smb2_read(struct ksmbd_work *work);
int policy_smb2_write(struct ksmbd_work *work);
int policy_smb2_flush(struct ksmbd_work *work);
int policy_smb2_lock(struct ksmbd_work *work);
int policy_smb2_ioctl(struct ksmbd_work *work);
int policy_smb2_notify(struct ksmbd_work *work);

struct ksmbd_tree_conn_status
policy_ksmbd_tree_conn_connect(struct ksmbd_work *work, const char *share_name);

#endif
