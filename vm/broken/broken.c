// SPDX-License-Identifier: GPL-2.0
/*
 * A module with faults, each committed when its file in debugfs, broken/FAULT, is
 * written to. vm/check-detectors commits each of them, and demands that it shows:
 * a test machine that reports nothing must be one that would have.
 *
 * Never load this anywhere but in a virtual machine.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

/* Where the compiler cannot see what it reads and writes. */
static volatile int sink;
static volatile unsigned int nine = 9, forty = 40;
static void *volatile hidden;

static void use_after_free(void)
{
	hidden = kmalloc(64, GFP_KERNEL);
	kfree(hidden);
	sink = READ_ONCE(*(int *)hidden);
}

static void double_free(void)
{
	hidden = kmalloc(64, GFP_KERNEL);
	kfree(hidden);
	kfree(hidden);
}

static void heap_overrun(void)
{
	hidden = kmalloc(60, GFP_KERNEL);
	WRITE_ONCE(((char *)hidden)[nine + 51], 1);
	kfree(hidden);
}

static void stack_overrun(void)
{
	char room[8] = { 0 };

	hidden = room;
	sink = READ_ONCE(((char *)hidden)[nine]);
}

/* More than one: what a stack has in an unused place counts as a pointer, too. */
static void memory_leak(void)
{
	int i;

	for (i = 0; i < 16; i++) {
		hidden = kmalloc(64, GFP_KERNEL);
		memset(hidden, 0x5a, 64);
	}
	hidden = NULL;
}

static void index_out_of_bounds(void)
{
	static int table[8];

	table[nine] = 1;
	sink = table[nine];
}

static void shift_too_far(void)
{
	sink = 1 << forty;
}

static void list_deleted_twice(void)
{
	LIST_HEAD(head);
	struct list_head a;

	list_add(&a, &head);
	list_del(&a);
	list_del(&a);
}

static void refcount_underflow(void)
{
	refcount_t refs = REFCOUNT_INIT(0);

	sink = refcount_dec_and_test(&refs);
}

static void nothing(struct timer_list *timer)
{
}

static void timer_freed_while_active(void)
{
	struct timer_list *timer = kmalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return;
	timer_setup(timer, nothing, 0);
	mod_timer(timer, jiffies + 3600 * HZ);
	kfree(timer);
}

static DEFINE_SPINLOCK(spin);
static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static void sleep_with_spinlock(void)
{
	spin_lock(&spin);
	might_sleep();
	spin_unlock(&spin);
}

static void schedule_with_spinlock(void)
{
	spin_lock(&spin);
	schedule();
	spin_unlock(&spin);
}

static void lock_inversion(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static void lock_kept(void)
{
	mutex_lock(&first);
}

static void rcu_without_lock(void)
{
	static int __rcu *pointer;

	hidden = rcu_dereference(pointer);
}

static void hung_task(void)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_timeout(15 * HZ);
}

static void soft_lockup(void)
{
	unsigned long end = jiffies + 6 * HZ;

	preempt_disable();
	while (time_before(jiffies, end))
		cpu_relax();
	preempt_enable();
}

/* barrier(): the compiler must not keep it in a register through a loop. */
static u32 shared;

static int race_along(void *unused)
{
	while (!kthread_should_stop()) {
		shared++;
		barrier();
		cond_resched();
	}
	return 0;
}

static void racing_increments(void)
{
	struct task_struct *other = kthread_run(race_along, NULL, "broken-race");
	unsigned long end = jiffies + 10 * HZ;

	if (IS_ERR(other))
		return;
	while (time_before(jiffies, end)) {
		shared++;
		barrier();
		cond_resched();
	}
	kthread_stop(other);
}

/* Races with whoever reads broken/shared: that side is all the kernel's own code. */
static void racing_with_kernel(void)
{
	unsigned long end = jiffies + 10 * HZ;

	while (time_before(jiffies, end)) {
		shared++;
		barrier();
		cond_resched();
	}
}

#define FAULT(name)	{ #name, name }

static const struct fault {
	const char *name;
	void (*commit)(void);
} faults[] = {
	FAULT(use_after_free),
	FAULT(double_free),
	FAULT(heap_overrun),
	FAULT(stack_overrun),
	FAULT(memory_leak),
	FAULT(index_out_of_bounds),
	FAULT(shift_too_far),
	FAULT(list_deleted_twice),
	FAULT(refcount_underflow),
	FAULT(timer_freed_while_active),
	FAULT(sleep_with_spinlock),
	FAULT(schedule_with_spinlock),
	FAULT(lock_inversion),
	FAULT(lock_kept),
	FAULT(rcu_without_lock),
	FAULT(hung_task),
	FAULT(soft_lockup),
	FAULT(racing_increments),
	FAULT(racing_with_kernel),
};

static ssize_t commit_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	const struct fault *fault = file_inode(file)->i_private;

	fault->commit();
	return len;
}

static const struct file_operations commit_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = commit_write,
	.llseek = noop_llseek,
};

static struct dentry *dir;

static int __init broken_init(void)
{
	size_t i;

	dir = debugfs_create_dir("broken", NULL);
	for (i = 0; i < ARRAY_SIZE(faults); i++)
		debugfs_create_file(faults[i].name, 0200, dir, (void *)&faults[i], &commit_fops);
	debugfs_create_u32("shared", 0600, dir, &shared);
	return 0;
}
module_init(broken_init);

static void __exit broken_exit(void)
{
	debugfs_remove_recursive(dir);
}
module_exit(broken_exit);

MODULE_DESCRIPTION("Commits one fault when told to, to test the test machine");
MODULE_LICENSE("GPL");
