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
	vipc_endpoint_close(file->private_data);
	return 0;
}

static int vipc_derive(struct vipc_cap *cap,
		       const struct vipc_derive __user *arg)
{
	struct vipc_derive wanted;
	struct vipc_cap *child;
	struct file *file;
	int fd;

	if (copy_from_user(&wanted, arg, sizeof(wanted)))
		return -EFAULT;
	if (wanted.rights & ~VIPC_RIGHTS_ALL || wanted.flags || wanted.reserved)
		return -EINVAL;
	child = vipc_endpoint_derive(cap, &wanted);
	if (IS_ERR(child))
		return PTR_ERR(child);
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		goto close;
	file = anon_inode_getfile("[vipc]", &vipc_fops, child, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		fd = PTR_ERR(file);
		goto close;
	}
	fd_install(fd, file);
	return fd;
close:
	vipc_endpoint_close(child);
	return fd;
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

static long vipc_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vipc_cap *cap = file->private_data;
	void __user *p = (void __user *)arg;
	int ret;

	switch (cmd) {
	case VIPC_IOC_CALL:
		ret = vipc_call(cap, p);
		break;
	case VIPC_IOC_REPLY_RECV:
		ret = vipc_reply_recv(cap, p);
		break;
	case VIPC_IOC_SEND:
		ret = vipc_send(cap, p);
		break;
	case VIPC_IOC_RECV:
		ret = vipc_recv(cap, p);
		break;
	case VIPC_IOC_REPLY:
		ret = vipc_reply(cap, p);
		break;
	case VIPC_IOC_DERIVE:
		ret = vipc_derive(cap, p);
		break;
	case VIPC_IOC_REVOKE:
		ret = vipc_endpoint_revoke(cap);
		break;
	case VIPC_IOC_SHUTDOWN:
		ret = vipc_endpoint_shutdown(cap);
		break;
	case VIPC_IOC_INFO:
		ret = vipc_info(cap, p);
		break;
	default:
		return -ENOTTY;
	}
	if (unlikely(ret < 0))
		vipc_count_failure(ret);
	return ret;
}

static void vipc_show_fdinfo(struct seq_file *m, struct file *file)
{
	vipc_view_fdinfo(m, file->private_data);
}

static const struct file_operations vipc_fops = {
	.owner		= THIS_MODULE,
	.open		= vipc_open,
	.release	= vipc_release,
	.unlocked_ioctl	= vipc_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.show_fdinfo	= vipc_show_fdinfo,
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
	BUILD_BUG_ON(offsetof(struct vipc_info, reserved) != 80);
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
