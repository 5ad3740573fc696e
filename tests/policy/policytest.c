// SPDX-License-Identifier: GPL-2.0
/*
 * A server's half of the policy of shares, by hand: a write of "SHARE" to
 * debugfs smbdirect_policytest/share chooses one; reading `look` says what is
 * answered about it; a write of a reason's number to `refuse` refuses a READ on
 * it. Names of shares are folded ones. The symbols are looked up when it is loaded,
 * since modules of tests are built against the C smbdirect, which has none of them.
 */
#include <linux/debugfs.h>
#include <linux/in.h>
#include <linux/jump_label.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/uaccess.h>

/* as in ksmbd/smbdirect_policy.h */
enum { AUTO, OFF, REQUIRED };
enum { OVER_RDMA, OVER_TCP, CANNOT_MOVE };
extern struct static_key_false smbdirect_policy_key;
int smbdirect_policy_mode(const char *share);
void smbdirect_policy_refused(const char *share, int reason, const char *command, const struct sockaddr *peer);
bool smbdirect_policy_advertised(void);

static typeof(&smbdirect_policy_key) key;
static typeof(&smbdirect_policy_mode) mode;
static typeof(&smbdirect_policy_refused) refused;
static typeof(&smbdirect_policy_advertised) advertised;

static DEFINE_MUTEX(lock);
static char share[256];
static struct dentry *dir;

static const char * const modes[] = {
	[AUTO] = "auto",
	[OFF] = "off",
	[REQUIRED] = "required",
};

static ssize_t share_write(struct file *file, const char __user *text, size_t len, loff_t *pos)
{
	char copy[sizeof(share)] = "";

	if (len >= sizeof(copy))
		return -EINVAL;
	if (copy_from_user(copy, text, len))
		return -EFAULT;
	mutex_lock(&lock);
	strscpy(share, strim(copy), sizeof(share));
	mutex_unlock(&lock);
	return len;
}

static ssize_t look_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	char line[64];
	int n;

	mutex_lock(&lock);
	n = scnprintf(line, sizeof(line), "%s key %d advertised %d\n", modes[mode(share)],
		      static_key_enabled(key), advertised());
	mutex_unlock(&lock);
	return simple_read_from_buffer(to, len, pos, line, n);
}

static ssize_t refuse_write(struct file *file, const char __user *text, size_t len, loff_t *pos)
{
	const struct sockaddr_in peer = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a090002), .sin_port = htons(4000),
	};
	unsigned int reason;
	int ret = kstrtouint_from_user(text, len, 10, &reason);

	if (ret)
		return ret;
	if (reason > CANNOT_MOVE)
		return -EINVAL;
	mutex_lock(&lock);
	refused(share, reason, "READ", reason ? (const struct sockaddr *)&peer : NULL);
	mutex_unlock(&lock);
	return len;
}

static const struct file_operations share_fops = { .owner = THIS_MODULE, .write = share_write };
static const struct file_operations look_fops = { .owner = THIS_MODULE, .read = look_read };
static const struct file_operations refuse_fops = { .owner = THIS_MODULE, .write = refuse_write };

static void put_all(void)
{
	if (advertised)
		symbol_put(smbdirect_policy_advertised);
	if (refused)
		symbol_put(smbdirect_policy_refused);
	if (mode)
		symbol_put(smbdirect_policy_mode);
	if (key)
		symbol_put(smbdirect_policy_key);
}

static int __init policytest_init(void)
{
	key = symbol_get(smbdirect_policy_key);
	mode = symbol_get(smbdirect_policy_mode);
	refused = symbol_get(smbdirect_policy_refused);
	advertised = symbol_get(smbdirect_policy_advertised);
	if (!key || !mode || !refused || !advertised) {
		put_all();
		return -ENOENT;
	}
	dir = debugfs_create_dir("smbdirect_policytest", NULL);
	debugfs_create_file("share", 0200, dir, NULL, &share_fops);
	debugfs_create_file("look", 0400, dir, NULL, &look_fops);
	debugfs_create_file("refuse", 0200, dir, NULL, &refuse_fops);
	return 0;
}
module_init(policytest_init);

static void __exit policytest_exit(void)
{
	debugfs_remove(dir);
	put_all();
}
module_exit(policytest_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("SMB Direct: asks about the policy of shares");
