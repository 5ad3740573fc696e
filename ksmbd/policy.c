// SPDX-License-Identifier: GPL-2.0
/*
 * The policy of shares in ksmbd: who is served over which kind of connection.
 *
 * An object of ksmbd.ko. Kbuild has ksmbd's table of commands look up the functions of policy.h
 * in the place of ksmbd's own; each asks, and then calls what it stands for. At that point the
 * session, the tree and the signature of the request have been checked and nothing is held for
 * it. The rules are those of Documentation/steering.md, 2.
 */
#include <linux/module.h>
#include <net/ipv6.h>

#include "glob.h"
#include "connection.h"
#include "server.h"
#include "smb_common.h"
#include "../common/smb2status.h"
#include "../common/smbfsctl.h"
#include "mgmt/share_config.h"
#include "mgmt/tree_connect.h"
#include "mgmt/user_config.h"
#include "mgmt/user_session.h"
#include "vfs_cache.h"

#include "policy.h"
#include "smbdirect_policy.h"

MODULE_IMPORT_NS("SMBDIRECT_POLICY");

/* Data is bytes of files, on their way out, in, or from one file to another. */
enum kind { DATA, OTHER };

/* Only connections over RDMA have the operation. */
static bool over_rdma(const struct ksmbd_conn *conn)
{
	return conn->transport->ops->rdma_read;
}

/*
 * Whether the session has a channel over RDMA now. ksmbd takes the references: its list of
 * channels alone keeps no connection of a session that is being taken away.
 */
static noinline bool has_rdma_channel(struct ksmbd_session *sess)
{
	struct ksmbd_conn *conns[KSMBD_MAX_CHANNELS];
	unsigned int i, n;
	bool found = false;

	n = ksmbd_session_get_channels(sess, conns, ARRAY_SIZE(conns));
	for (i = 0; i < n; i++) {
		if (over_rdma(conns[i]) && ksmbd_conn_good(conns[i]))
			found = true;
		ksmbd_conn_put(conns[i]);
	}
	return found;
}

/* Whether the client of a request over TCP has an RDMA channel, or can bind one. */
static bool can_move(struct ksmbd_work *work)
{
	const struct ksmbd_conn *conn = work->conn;

	if (conn->dialect >= SMB30_PROT_ID &&
	    server_conf.flags & KSMBD_GLOBAL_FLAG_SMB3_MULTICHANNEL &&
	    conn->cli_cap & SMB2_GLOBAL_CAP_MULTI_CHANNEL &&
	    !user_guest(work->sess->user) &&
	    smbdirect_policy_advertised())
		return true;
	return has_rdma_channel(work->sess);
}

/*
 * The address of the client, written to @peer; NULL if ksmbd knows none, as of one that came over
 * RDMA. It keeps IPv4 and IPv6 in one place and does not say which it is; an IPv6 address that
 * ends in twelve zeroes is taken for IPv4.
 */
static const struct sockaddr *peer_of(const struct ksmbd_conn *conn, struct sockaddr_storage *peer)
{
	__be32 v4 = conn->inet_addr;

	memset(peer, 0, sizeof(*peer));
#if IS_ENABLED(CONFIG_IPV6)
	const struct in6_addr *v6 = (const struct in6_addr *)conn->inet6_addr;

	if (ipv6_addr_v4mapped(v6)) {
		v4 = v6->s6_addr32[3];
	} else if (memchr_inv(&v6->s6_addr[4], 0, 12)) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)peer;

		in6->sin6_family = AF_INET6;
		in6->sin6_addr = *v6;
		return (struct sockaddr *)peer;
	}
#endif
	if (!v4)
		return NULL;
	peer->ss_family = AF_INET;
	((struct sockaddr_in *)peer)->sin_addr.s_addr = v4;
	return (struct sockaddr *)peer;
}

/* Whether the request is refused by the policy of @share, a folded name; counts it if so. */
static bool is_refused(struct ksmbd_work *work, const char *share, enum kind kind,
		       const char *command)
{
	enum smbdirect_policy_reason reason;
	struct sockaddr_storage peer;

	switch (smbdirect_policy_mode(share)) {
	case SMBDIRECT_POLICY_OFF:
		if (!over_rdma(work->conn))
			return false;
		reason = SMBDIRECT_POLICY_OVER_RDMA;
		break;
	case SMBDIRECT_POLICY_REQUIRED:
		if (over_rdma(work->conn))
			return false;
		if (kind == DATA)
			reason = SMBDIRECT_POLICY_OVER_TCP;
		else if (!can_move(work))
			reason = SMBDIRECT_POLICY_CANNOT_MOVE;
		else
			return false;
		break;
	default:
		return false;
	}
	smbdirect_policy_refused(share, reason, command, peer_of(work->conn, &peer));
	return true;
}

/*
 * The same for a request on a tree; a refused one has its answer then. IPC$, the only share of
 * pipes, is served to everybody: the interface query goes there.
 */
static noinline bool refuse(struct ksmbd_work *work, enum kind kind, const char *command)
{
	struct ksmbd_share_config *share;

	/* no tree, no share: ksmbd does not get here with the commands of these functions */
	if (!work->tcon)
		return false;
	share = work->tcon->share_conf;
	if (test_share_config_flag(share, KSMBD_SHARE_FLAG_PIPE) ||
	    !is_refused(work, share->name, kind, command))
		return false;
	set_smb2_rsp_status(work, STATUS_ACCESS_DENIED);
	return true;
}

/*
 * Whether the request belongs to a chain whose CREATE failed, as it may have been refused: ksmbd
 * fails it for that, and nobody has to be asked. Not for CREATE itself, which ksmbd then serves.
 */
static bool chain_has_failed(const struct ksmbd_work *work)
{
	return work->next_smb2_rcv_hdr_off && !has_file_id(work->compound_fid) &&
	       work->compound_status != STATUS_SUCCESS;
}

static noinline bool refuse_of_chain(struct ksmbd_work *work, enum kind kind, const char *command)
{
	return !chain_has_failed(work) && refuse(work, kind, command);
}

/* While no share has a policy this is a no-op and a direct call. */
#define ASK_AND_CALL(handler, ask, kind, command)					\
	int policy_##handler(struct ksmbd_work *work)					\
	{										\
		if (static_branch_unlikely(&smbdirect_policy_key) &&			\
		    ask(work, kind, command))						\
			return -EACCES;							\
		return handler(work);							\
	}

ASK_AND_CALL(smb2_open, refuse, OTHER, "CREATE")
ASK_AND_CALL(smb2_query_info, refuse_of_chain, OTHER, "QUERY_INFO")
ASK_AND_CALL(smb2_query_dir, refuse_of_chain, OTHER, "QUERY_DIRECTORY")
ASK_AND_CALL(smb2_set_info, refuse_of_chain, OTHER, "SET_INFO")
ASK_AND_CALL(smb2_read, refuse_of_chain, DATA, "READ")
ASK_AND_CALL(smb2_write, refuse_of_chain, DATA, "WRITE")
ASK_AND_CALL(smb2_flush, refuse_of_chain, OTHER, "FLUSH")
ASK_AND_CALL(smb2_lock, refuse_of_chain, OTHER, "LOCK")
ASK_AND_CALL(smb2_notify, refuse_of_chain, OTHER, "CHANGE_NOTIFY")

/*
 * The share of the file that COPYCHUNK reads, with a reference. The key is what
 * FSCTL_SRV_REQUEST_RESUME_KEY gives, and ksmbd lets it name a file of any tree of the session.
 * NULL if there is no such file, or no room for a key: ksmbd refuses that by itself.
 */
static struct ksmbd_share_config *copy_source(struct ksmbd_work *work, struct smb2_ioctl_req *req)
{
	const struct copychunk_ioctl_req *copy = (void *)req + le32_to_cpu(req->InputOffset);
	struct ksmbd_share_config *share = NULL;
	struct ksmbd_file *fp;

	if (le32_to_cpu(req->InputCount) < offsetof(struct copychunk_ioctl_req, Chunks))
		return NULL;
	fp = ksmbd_lookup_foreign_fd(work, le64_to_cpu(copy->SourceKeyU64[0]));
	if (!fp)
		return NULL;
	if (fp->persistent_id == le64_to_cpu(copy->SourceKeyU64[1])) {
		spin_lock(&fp->f_lock);
		share = fp->share_conf;
		if (share)
			atomic_inc(&share->refcount);
		spin_unlock(&fp->f_lock);
	}
	ksmbd_fd_put(work, fp);
	return share;
}

/* A copy is data of both shares. */
static bool refuse_copy(struct ksmbd_work *work, struct smb2_ioctl_req *req, const char *command)
{
	struct ksmbd_share_config *source;
	bool refused;

	if (refuse(work, DATA, command))
		return true;
	source = copy_source(work, req);
	if (!source)
		return false;
	refused = is_refused(work, source->name, DATA, command);
	ksmbd_share_config_put(source);
	if (refused)
		set_smb2_rsp_status(work, STATUS_ACCESS_DENIED);
	return refused;
}

/* Copies inside of the server, and holes made there, are data. ksmbd has checked that fixed part and input are there. */
static noinline bool refuse_ioctl(struct ksmbd_work *work)
{
	struct smb2_ioctl_req *req = ksmbd_req_buf_next(work);

	if (chain_has_failed(work))
		return false;
	switch (le32_to_cpu(req->CtlCode)) {
	case FSCTL_SRV_COPYCHUNK:
		return refuse_copy(work, req, "COPYCHUNK");
	case FSCTL_SRV_COPYCHUNK_WRITE:
		return refuse_copy(work, req, "COPYCHUNK_WRITE");
	case FSCTL_SET_ZERO_DATA:
		return refuse(work, DATA, "SET_ZERO_DATA");
	case FSCTL_FILE_LEVEL_TRIM:
		return refuse(work, DATA, "FILE_LEVEL_TRIM");
	case FSCTL_DUPLICATE_EXTENTS_TO_FILE:
	case FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX:
		/* ksmbd looks both files up with the tree of the request */
		return refuse(work, DATA, "DUPLICATE_EXTENTS");
	default:
		return refuse(work, OTHER, "IOCTL");
	}
}

int policy_smb2_ioctl(struct ksmbd_work *work)
{
	if (static_branch_unlikely(&smbdirect_policy_key) && refuse_ioctl(work))
		return -EACCES;
	return smb2_ioctl(work);
}

/* ksmbd answers this status with STATUS_ACCESS_DENIED. The name has been folded by ksmbd. */
struct ksmbd_tree_conn_status
policy_ksmbd_tree_conn_connect(struct ksmbd_work *work, const char *share_name)
{
	const struct ksmbd_tree_conn_status refused = { KSMBD_TREE_CONN_STATUS_ERROR, NULL };

	if (static_branch_unlikely(&smbdirect_policy_key) && strcmp(share_name, "ipc$") &&
	    is_refused(work, share_name, OTHER, "TREE_CONNECT"))
		return refused;
	return ksmbd_tree_conn_connect(work, share_name);
}

/*
 * ksmbd's answer to a TREE_CONNECT that failed has two bodies, and a signature that is wrong for
 * it: both are there with their own copy of the header. One that may be ours, and is the first of
 * its message, is made again with the error alone.
 */
int policy_smb2_tree_connect(struct ksmbd_work *work)
{
	const struct smb2_hdr *rsp = ksmbd_resp_buf_next(work);
	int ret = smb2_tree_connect(work);

	if (static_branch_unlikely(&smbdirect_policy_key) && !work->next_smb2_rcv_hdr_off &&
	    rsp->Status == STATUS_ACCESS_DENIED)
		set_smb2_rsp_status(work, STATUS_ACCESS_DENIED);
	return ret;
}

/* How administrators see that this ksmbd asks: parameters/smbdirect_policy is there. */
static int policy_set(const char *value, const struct kernel_param *kp)
{
	return -EPERM;
}

static int policy_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "1\n");
}

static const struct kernel_param_ops policy_ops = {
	.set = policy_set,
	.get = policy_get,
};

module_param_cb(smbdirect_policy, &policy_ops, NULL, 0444);
MODULE_PARM_DESC(smbdirect_policy, "the policy of shares is enforced (read only)");
