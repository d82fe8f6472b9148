// SPDX-License-Identifier: GPL-2.0
/*
 * The module, its device, its files and their ioctls.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/build_bug.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "vipc/capability.h"
#include "vipc/endpoint.h"
#include "vipc/ipc.h"
#include "vipc/stats.h"
#include "vipc/trace.h"
#include "vipc/uring.h"
#include "vipc/view.h"

static const struct file_operations vipc_fops;

static int vipc_open(struct inode *inode, struct file *file)
{
	u32 rights = VIPC_RIGHTS_ALL;
	struct vipc_cap *cap;

	if (!(file->f_mode & FMODE_WRITE))
		rights &= ~VIPC_RIGHT_SEND;
	if (!(file->f_mode & FMODE_READ))
		rights &= ~VIPC_RIGHT_RECV;
	cap = vipc_endpoint_open(rights);
	if (!cap)
		return -ENOMEM;
	file->private_data = cap;
	return nonseekable_open(inode, file);
}

static int vipc_release(struct inode *inode, struct file *file)
{
	/* One that was made for a capability and did not get it has none. */
	if (file->private_data)
		vipc_endpoint_close(file->private_data);
	return 0;
}

static int vipc_derive_fd(struct vipc_cap *cap,
			  const struct vipc_derive *wanted)
{
	struct vipc_cap *child;
	struct file *file;
	int fd, err;

	/*
	 * The capability comes last: if it is watched, it cannot be closed again
	 * as if it had never been.
	 */
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return vipc_endpoint_may_derive(cap, wanted) ?: fd;
	file = anon_inode_getfile("[vipc]", &vipc_fops, NULL, O_RDWR);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto put;
	}
	child = vipc_endpoint_derive(cap, wanted);
	if (IS_ERR(child)) {
		err = PTR_ERR(child);
		fput(file);
		goto put;
	}
	file->private_data = child;
	fd_install(fd, file);
	return fd;
put:
	put_unused_fd(fd);
	return err;
}

static int vipc_derive(struct vipc_cap *cap,
		       const struct vipc_derive __user *arg)
{
	struct vipc_derive wanted;
	int ret;

	if (copy_from_user(&wanted, arg, sizeof(wanted)))
		return -EFAULT;
	if (wanted.rights & ~VIPC_RIGHTS_ALL ||
	    wanted.flags & ~VIPC_DERIVE_NOTIFY_CLOSE || wanted.reserved)
		return -EINVAL;
	ret = vipc_derive_fd(cap, &wanted);
	trace_vipc_derive(cap, &wanted, ret);
	return ret;
}

static int vipc_info(struct vipc_cap *cap, struct vipc_info __user *arg)
{
	struct vipc_info info;
	int err;

	/* Readable and writable, before anything else is looked at. */
	if (copy_from_user(&info, arg, sizeof(info)) ||
	    copy_to_user(arg, &info, sizeof(info)))
		return -EFAULT;
	if (info.reserved32 ||
	    memchr_inv(info.reserved, 0, sizeof(info.reserved)))
		return -EINVAL;
	err = vipc_view_info(cap, &info);
	if (err)
		return err;
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static int vipc_config(struct vipc_cap *cap, struct vipc_config __user *arg)
{
	struct vipc_config config;
	int err;

	/* Readable and writable, before anything is changed. */
	if (copy_from_user(&config, arg, sizeof(config)) ||
	    copy_to_user(arg, &config, sizeof(config)))
		return -EFAULT;
	err = vipc_endpoint_config(cap, &config);
	if (err)
		return err;
	return copy_to_user(arg, &config, sizeof(config)) ? -EFAULT : 0;
}

static __poll_t vipc_poll(struct file *file, poll_table *wait)
{
	return vipc_poll_cap(file->private_data, file, wait);
}

/*
 * All but the two that are a round trip: these shall not pay for the registers and
 * the stack that the others need.
 */
static noinline int vipc_ioctl_others(struct vipc_cap *cap, unsigned int cmd,
				      void __user *p)
{
	switch (cmd) {
	case VIPC_IOC_SEND:
		return vipc_send(cap, p);
	case VIPC_IOC_RECV:
		return vipc_recv(cap, p);
	case VIPC_IOC_REPLY:
		return vipc_reply(cap, p);
	case VIPC_IOC_CALL_X:
		return vipc_call_x(cap, p);
	case VIPC_IOC_REPLY_RECV_X:
		return vipc_reply_recv_x(cap, p);
	case VIPC_IOC_SEND_X:
		return vipc_send_x(cap, p);
	case VIPC_IOC_RECV_X:
		return vipc_recv_x(cap, p);
	case VIPC_IOC_REPLY_X:
		return vipc_reply_x(cap, p);
	case VIPC_IOC_NOTIFY:
		return vipc_notify(cap, p);
	case VIPC_IOC_DERIVE:
		return vipc_derive(cap, p);
	case VIPC_IOC_REVOKE:
		return vipc_endpoint_revoke(cap);
	case VIPC_IOC_SHUTDOWN:
		return vipc_endpoint_shutdown(cap);
	case VIPC_IOC_INFO:
		return vipc_info(cap, p);
	case VIPC_IOC_CONFIG:
		return vipc_config(cap, p);
	default:
		return -ENOTTY;
	}
}

static long vipc_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vipc_cap *cap = file->private_data;
	void __user *p = (void __user *)arg;
	int ret;

	if (likely(cmd == VIPC_IOC_REPLY_RECV))
		ret = vipc_reply_recv(cap, p);
	else if (likely(cmd == VIPC_IOC_CALL))
		ret = vipc_call(cap, p);
	else
		ret = vipc_ioctl_others(cap, cmd, p);
	if (unlikely(ret < 0))
		vipc_count_failure(ret);
	return ret;
}

/**
 * vipc_do() - an operation that carries messages, as a thread does it
 * @file: of the capability
 * @cmd: VIPC_IOC_*
 * @p: the message in user memory
 *
 * Context: may sleep.
 * Return: 0, or an error of the manual.
 */
int vipc_do(struct file *file, unsigned int cmd, void __user *p)
{
	int ret = -ENOTTY;

	if (_IOC_NR(cmd) < _IOC_NR(VIPC_IOC_DERIVE))
		ret = vipc_ioctl(file, cmd, (unsigned long)p);
	/* What starts a system call again does not start a command again. */
	return ret == -ERESTARTSYS ? -EINTR : ret;
}

static void vipc_show_fdinfo(struct seq_file *m, struct file *file)
{
	vipc_view_fdinfo(m, file->private_data);
}

static const struct file_operations vipc_fops = {
	.owner		= THIS_MODULE,
	.open		= vipc_open,
	.release	= vipc_release,
	.poll		= vipc_poll,
	.unlocked_ioctl	= vipc_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.show_fdinfo	= vipc_show_fdinfo,
	VIPC_URING_OPERATIONS
};

static struct miscdevice vipc_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "vipc",
	.fops	= &vipc_fops,
	.mode	= 0600,
};

static void vipc_check_abi(void)
{
	BUILD_BUG_ON(sizeof(struct vipc_msg) != 64);
	BUILD_BUG_ON(offsetof(struct vipc_msg, badge) != 0);
	BUILD_BUG_ON(offsetof(struct vipc_msg, reply) != 8);
	BUILD_BUG_ON(offsetof(struct vipc_msg, opcode) != 16);
	BUILD_BUG_ON(offsetof(struct vipc_msg, flags) != 20);
	BUILD_BUG_ON(offsetof(struct vipc_msg, data) != 24);
	BUILD_BUG_ON(offsetof(struct vipc_msg, deadline_ns) != 56);

	BUILD_BUG_ON(sizeof(struct vipc_derive) != 24);
	BUILD_BUG_ON(offsetof(struct vipc_derive, rights) != 0);
	BUILD_BUG_ON(offsetof(struct vipc_derive, flags) != 4);
	BUILD_BUG_ON(offsetof(struct vipc_derive, badge) != 8);
	BUILD_BUG_ON(offsetof(struct vipc_derive, reserved) != 16);

	BUILD_BUG_ON(sizeof(struct vipc_info) != 112);
	BUILD_BUG_ON(offsetof(struct vipc_info, badge) != 8);
	BUILD_BUG_ON(offsetof(struct vipc_info, endpoint) != 16);
	BUILD_BUG_ON(offsetof(struct vipc_info, state) != 24);
	BUILD_BUG_ON(offsetof(struct vipc_info, in_service) != 40);
	BUILD_BUG_ON(offsetof(struct vipc_info, sent) != 48);
	BUILD_BUG_ON(offsetof(struct vipc_info, replied) != 72);
	BUILD_BUG_ON(offsetof(struct vipc_info, max_len) != 80);
	BUILD_BUG_ON(offsetof(struct vipc_info, buffered) != 92);
	BUILD_BUG_ON(offsetof(struct vipc_info, reserved) != 96);

	BUILD_BUG_ON(sizeof(struct vipc_config) != 32);
	BUILD_BUG_ON(offsetof(struct vipc_config, max_len) != 4);
	BUILD_BUG_ON(offsetof(struct vipc_config, depth) != 12);
	BUILD_BUG_ON(offsetof(struct vipc_config, reserved) != 24);

	BUILD_BUG_ON(sizeof(struct vipc_uring_cmd) != 16);
	BUILD_BUG_ON(offsetof(struct vipc_uring_cmd, reserved) != 8);

	BUILD_BUG_ON(sizeof(struct vipc_xmsg) != 128);
	BUILD_BUG_ON(offsetof(struct vipc_xmsg, tx_buf) != 64);
	BUILD_BUG_ON(offsetof(struct vipc_xmsg, tx_len) != 80);
	BUILD_BUG_ON(offsetof(struct vipc_xmsg, tx_fds) != 88);
	BUILD_BUG_ON(offsetof(struct vipc_xmsg, tx_nfds) != 104);
	BUILD_BUG_ON(offsetof(struct vipc_xmsg, reply_len) != 112);
	BUILD_BUG_ON(offsetof(struct vipc_xmsg, reserved) != 120);
}

static int __init vipc_init(void)
{
	int err;

	vipc_check_abi();
	err = vipc_stats_init();
	if (err)
		return err;
	vipc_view_debugfs(vipc_stats_debugfs());
	err = misc_register(&vipc_device);
	if (err) {
		pr_err("cannot register /dev/vipc: error %d\n", err);
		vipc_stats_exit();
	}
	return err;
}

/* Every open file holds a reference on the module, so nothing is left here. */
static void __exit vipc_exit(void)
{
	misc_deregister(&vipc_device);
	vipc_stats_exit();
}

module_init(vipc_init);
module_exit(vipc_exit);

MODULE_DESCRIPTION("Synchronous, capability-secured calls between processes");
MODULE_AUTHOR("The vipc developers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
