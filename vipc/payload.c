// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes and descriptors: out of a process, and into another one.
 */
#include <linux/capability.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "vipc/compat.h"
#include "vipc/payload.h"
#include "vipc/stats.h"

#define VIPC_GFP	(GFP_KERNEL_ACCOUNT | __GFP_NOWARN)

static bool vipc_charge_pages(struct mm_struct *mm, u32 nr)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	if ((u64)atomic64_add_return(nr, &mm->pinned_vm) <= limit ||
	    capable(CAP_IPC_LOCK))
		return true;
	atomic64_sub(nr, &mm->pinned_vm);
	return false;
}

static void vipc_pin_free(struct vipc_pin *pin)
{
	if (!pin)
		return;
	if (pin->write)
		unpin_user_pages_dirty_lock(pin->pages, pin->nr, true);
	else
		unpin_user_pages(pin->pages, pin->nr);
	atomic64_sub(pin->nr, &pin->mm->pinned_vm);
	mmdrop(pin->mm);
	kvfree(pin);
}

/*
 * File systems do not expect that a page is written to through no mapping of
 * theirs. Later kernels refuse to pin such pages for long, 6.1 does not.
 */
static bool vipc_may_write(const struct vipc_pin *pin)
{
	u32 i;

	for (i = 0; i < pin->nr; i++) {
		struct folio *folio = page_folio(pin->pages[i]);

		/* Memory of nobody's but processes', and shared memory. */
		if (!folio_test_swapbacked(folio) && !folio_test_hugetlb(folio))
			return false;
	}
	return true;
}

/* Returns NULL for what cannot be pinned, whatever the reason. */
static struct vipc_pin *vipc_pin_user(u64 addr, u32 len, bool write)
{
	unsigned int flags = FOLL_LONGTERM | (write ? FOLL_WRITE : 0);
	u32 offset = offset_in_page(addr);
	u32 nr = DIV_ROUND_UP(offset + len, PAGE_SIZE);
	struct vipc_pin *pin;
	int pinned;

	if (!access_ok(u64_to_user_ptr(addr), len))
		return NULL;
	pin = kvmalloc(struct_size(pin, pages, nr), VIPC_GFP);
	if (!pin)
		return NULL;
	if (!vipc_charge_pages(current->mm, nr))
		goto free;
	pinned = pin_user_pages_fast(addr - offset, nr, flags, pin->pages);
	if (pinned != nr) {
		if (pinned > 0)
			unpin_user_pages(pin->pages, pinned);
		atomic64_sub(nr, &current->mm->pinned_vm);
		goto free;
	}
	pin->mm = current->mm;
	mmgrab(pin->mm);
	pin->offset = offset;
	pin->nr = nr;
	pin->write = write;
	if (likely(!write || vipc_may_write(pin)))
		return pin;
	pin->write = false;	/* nothing was: they are not dirty */
	vipc_pin_free(pin);
	return NULL;
free:
	kvfree(pin);
	return NULL;
}

/*
 * Goes through the pages of @pin from byte @done on: sets *@p and *@n to the bytes
 * that are in one page, at most @len.
 */
static struct page *vipc_pin_at(const struct vipc_pin *pin, u32 done, u32 len,
				void **p, u32 *n)
{
	u32 at = pin->offset + done;
	struct page *page = pin->pages[at >> PAGE_SHIFT];

	/* There is no memory that the kernel has not mapped: see compat.h. */
	*p = page_address(page) + offset_in_page(at);
	*n = min_t(u32, len, PAGE_SIZE - offset_in_page(at));
	return page;
}

/*
 * Copies within one page of a process. Most are whole pages: for a size that the
 * compiler knows, the kernel does not look up what kind of memory that is, which
 * would take a quarter as long as to copy it.
 */
static bool vipc_page_to_user(void __user *to, const void *from, u32 n)
{
	if (likely(n == PAGE_SIZE))
		return !copy_to_user(to, from, PAGE_SIZE);
	return !copy_to_user(to, from, n);
}

/* The same the other way round, without page faults: returns what is left. */
static u32 vipc_page_from_user(void *to, const void __user *from, u32 n)
{
	u32 left;

	pagefault_disable();
	if (likely(n == PAGE_SIZE))
		left = __copy_from_user_inatomic(to, from, PAGE_SIZE);
	else
		left = __copy_from_user_inatomic(to, from, n);
	pagefault_enable();
	return left;
}

static int vipc_pin_copy_out(const struct vipc_pin *pin, void __user *to,
			     u32 len)
{
	u32 done, n;
	void *from;

	for (done = 0; done < len; done += n) {
		vipc_pin_at(pin, done, len - done, &from, &n);
		if (!vipc_page_to_user(to + done, from, n))
			return -EFAULT;
		cond_resched();
	}
	return 0;
}

/*
 * A ring that waits in a message to or from one of its own commands would hold itself,
 * and nobody could ever close it. Sockets do not take rings either.
 */
static bool vipc_is_ring(const struct file *file)
{
	const struct dentry *dentry = file->f_path.dentry;

	return dentry->d_sb->s_magic == ANON_INODE_FS_MAGIC &&
	       !strcmp(dentry->d_name.name, "[io_uring]");
}

static int vipc_take_files(struct vipc_cargo *cargo,
			   const s32 __user *numbers, u32 n)
{
	s32 fd;

	for (; cargo->nr_fds < n; cargo->nr_fds++) {
		struct vipc_passed *passed = &cargo->fds[cargo->nr_fds];

		if (get_user(fd, numbers + cargo->nr_fds))
			return -EFAULT;
		passed->fd = -1;
		passed->file = fget_raw(fd);
		if (!passed->file)
			return -EBADF;
		if (vipc_is_ring(passed->file)) {
			fput(passed->file);
			return -EINVAL;
		}
	}
	return 0;
}

/* The spare one, if it is there and large enough. */
static struct vipc_cargo *vipc_cargo_new(struct vipc_spare *spare, size_t size)
{
	struct vipc_cargo *new;
	bool make;

	if (size <= VIPC_SPARE_SIZE) {
		new = xchg(&spare->cargo, NULL);
		if (new)
			return new;
	}
	make = size <= VIPC_SPARE_SIZE && !READ_ONCE(spare->made);
	new = kvmalloc(make ? VIPC_SPARE_SIZE : size, VIPC_GFP);
	if (!new)
		return NULL;
	new->is_spare = make;
	if (make)
		WRITE_ONCE(spare->made, true);
	return new;
}

/**
 * vipc_cargo_pack() - take what the current process wants to send
 * @cargo: out: to be freed with vipc_cargo_free(); NULL if there is nothing
 * @xmsg: which bytes and descriptors
 * @len: how many of the bytes: all or none
 * @pin: may the pages be pinned? Not if their owner goes on before all is copied
 * @spare: of the endpoint
 *
 * Context: may sleep.
 * Return: 0, -EFAULT, -ENOMEM, -EBADF, or -EINVAL: one is an io_uring.
 */
int vipc_cargo_pack(struct vipc_cargo **cargo, const struct vipc_xmsg *xmsg,
		    u32 len, bool pin, struct vipc_spare *spare)
{
	const void __user *from = u64_to_user_ptr(xmsg->tx_buf);
	struct vipc_pin *pages = NULL;
	struct vipc_cargo *new;
	size_t size;
	int err;

	*cargo = NULL;
	if (!len && !xmsg->tx_nfds)
		return 0;
	if (pin && len >= VIPC_PIN_MIN)
		pages = vipc_pin_user(xmsg->tx_buf, len, false);

	size = struct_size(new, fds, xmsg->tx_nfds);
	new = vipc_cargo_new(spare, size + (pages ? 0 : len));
	if (!new) {
		vipc_pin_free(pages);
		return -ENOMEM;
	}
	new->len = len;
	new->nr_fds = 0;
	new->pin = pages;
	new->bytes = (u8 *)new + size;
	err = vipc_take_files(new, u64_to_user_ptr(xmsg->tx_fds),
			      xmsg->tx_nfds);
	if (!err && !pages && copy_from_user(new->bytes, from, len))
		err = -EFAULT;
	if (err) {
		vipc_cargo_free(new, spare);
		return err;
	}
	*cargo = new;
	return 0;
}

/* All or none. */
static int vipc_install_files(struct vipc_cargo *cargo, s32 __user *numbers)
{
	u32 i;

	for (i = 0; i < cargo->nr_fds; i++) {
		struct vipc_passed *passed = &cargo->fds[i];

		/* Nothing shall fail once the process has them. */
		if (put_user(-1, numbers + i))
			return -EFAULT;
		passed->fd = vipc_receive_fd(passed->file, O_CLOEXEC);
		if (passed->fd < 0)
			return passed->fd;
	}
	for (i = 0; i < cargo->nr_fds; i++)
		if (put_user(cargo->fds[i].fd, numbers + i))
			return -EFAULT;
	return 0;
}

/**
 * vipc_cargo_unpack() - give a cargo to the current process
 * @cargo: the cargo, which fits the room; or NULL
 * @xmsg: where the bytes and the descriptors are to go
 *
 * Context: may sleep.
 * Return: 0; or with nothing given -EFAULT, -EMFILE, -ENFILE, -ENOMEM, or what the
 * security module says that forbids to receive a file.
 */
int vipc_cargo_unpack(struct vipc_cargo *cargo, const struct vipc_xmsg *xmsg)
{
	void __user *to = u64_to_user_ptr(xmsg->rx_buf);
	int err = 0;

	if (!cargo)
		return 0;
	if (cargo->pin)
		err = vipc_pin_copy_out(cargo->pin, to, cargo->len);
	else if (copy_to_user(to, cargo->bytes, cargo->len))
		err = -EFAULT;
	if (!err && cargo->nr_fds)
		err = vipc_install_files(cargo, u64_to_user_ptr(xmsg->rx_fds));
	if (err)
		vipc_cargo_recall(cargo);
	return err;
}

/**
 * vipc_cargo_recall() - take the descriptors of a cargo away again
 * @cargo: a cargo that the current process was given, and was not told of; or NULL
 *
 * Context: may sleep.
 */
void vipc_cargo_recall(struct vipc_cargo *cargo)
{
	u32 i;

	if (!cargo)
		return;
	for (i = 0; i < cargo->nr_fds; i++) {
		if (cargo->fds[i].fd >= 0)
			close_fd(cargo->fds[i].fd);
		cargo->fds[i].fd = -1;
	}
}

/**
 * vipc_cargo_free() - free a cargo
 * @cargo: the cargo, or NULL
 * @spare: of the endpoint, which keeps one for the next message
 *
 * Context: may sleep.
 */
void vipc_cargo_free(struct vipc_cargo *cargo, struct vipc_spare *spare)
{
	u32 i;

	if (!cargo)
		return;
	for (i = 0; i < cargo->nr_fds; i++)
		fput(cargo->fds[i].file);
	vipc_pin_free(cargo->pin);
	/* Who takes it reads nothing of it that was not written before. */
	if (!cargo->is_spare || cmpxchg(&spare->cargo, NULL, cargo))
		kvfree(cargo);
}

/* Is there memory that can be written to? It is left as it is. */
static int vipc_probe_user(u64 addr, u32 len)
{
	u8 __user *p = u64_to_user_ptr(addr);
	u32 at = 0;
	u8 byte;

	while (at < len) {
		if (get_user(byte, p + at) || put_user(byte, p + at))
			return -EFAULT;
		if (at == len - 1)
			break;
		at = min_t(u32, at + PAGE_SIZE - offset_in_page(addr + at),
			   len - 1);
	}
	return 0;
}

/**
 * vipc_room_make() - prepare the room that a caller has for the reply
 * @room: the room; to be freed with vipc_room_free()
 * @xmsg: where it is, and how large
 *
 * Memory that cannot be written to is refused, before anything has been sent.
 *
 * Context: may sleep.
 * Return: 0 or -EFAULT.
 */
int vipc_room_make(struct vipc_room *room, const struct vipc_xmsg *xmsg)
{
	int err;

	room->len = min_t(u32, xmsg->rx_len, VIPC_MAX_LEN);
	room->nr_fds = min_t(u32, xmsg->rx_nfds, VIPC_MAX_FDS);
	room->pin = NULL;
	err = vipc_probe_user(xmsg->rx_fds, room->nr_fds * sizeof(s32));
	if (err || !room->len)
		return err;
	if (room->len >= VIPC_PIN_MIN)
		room->pin = vipc_pin_user(xmsg->rx_buf, room->len, true);
	return room->pin ? 0 : vipc_probe_user(xmsg->rx_buf, room->len);
}

/**
 * vipc_room_fill() - copy bytes of the current process into a caller's room
 * @room: with pinned pages
 * @done: how many bytes are there already
 * @from: where they are
 * @len: how many there are to be
 *
 * Context: takes no page faults.
 * Return: how many bytes are there now; less than @len if memory has to be faulted
 * in first.
 */
u32 vipc_room_fill(struct vipc_room *room, u32 done, const void __user *from,
		   u32 len)
{
	u32 n, left = 0;

	while (done < len && !left) {
		struct page *page;
		void *to;

		page = vipc_pin_at(room->pin, done, len - done, &to, &n);
		left = vipc_page_from_user(to, from + done, n);
		flush_dcache_page(page);
		done += n - left;
		cond_resched();
	}
	return done;
}

/**
 * vipc_room_free() - let go of a room's pages
 * @room: the room
 *
 * Context: may sleep.
 */
void vipc_room_free(struct vipc_room *room)
{
	vipc_pin_free(room->pin);
}
