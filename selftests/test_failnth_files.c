// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation and every user copy is made to fail, one by one, in what
 * makes capabilities, looks at them, and loads the module: the error is the
 * documented one, and nothing is left behind.
 */
#include <sys/resource.h>

#include "vipc_inject.h"

#define FULL_TABLE	64	/* descriptors that a table holds at first */

FIXTURE(failnth)
{
	int fd, nth;
	long long endpoints, capabilities;
	struct vi_sweep s;
	struct vipc_info before, after;
};

FIXTURE_SETUP(failnth)
{
	const char *why = vi_setup();

	if (why)
		SKIP(return, "%s", why);
	self->nth = vi_open();
	ASSERT_LE(0, self->nth);
	self->fd = vt_open();
	ASSERT_LE(0, self->fd);
	self->endpoints = vt_stat_value("endpoints");
	self->capabilities = vt_stat_value("capabilities");
}

FIXTURE_TEARDOWN(failnth)
{
	EXPECT_LT(self->s.nth, VI_MAX_NTH);
	EXPECT_EQ(self->endpoints, vt_stat_value("endpoints"));
	EXPECT_EQ(self->capabilities, vt_stat_value("capabilities"));
	EXPECT_EQ(1, vt_capabilities(self->fd));
	close(self->fd);
	close(self->nth);
}

/* The number that the next descriptor will get. */
static int next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* One DERIVE whose Nth fault point fails. */
static void derive_once(struct vi_sweep *s, int nth_fd, int fd)
{
	struct vipc_derive d = { .rights = VIPC_RIGHT_SEND, .badge = 5 };

	s->ret = vi_ioctl(nth_fd, s->nth, &s->injected, fd, VIPC_IOC_DERIVE, &d);
	vi_note(s);
}

/* Neither a descriptor nor a capability is left of one that failed. */
TEST_F(failnth, derive)
{
	vi_for_each_nth_until(&self->s, 1, 2) {
		int free_fd = next_fd();

		ASSERT_EQ(0, vt_info(self->fd, &self->before));
		derive_once(&self->s, self->nth, self->fd);
		if (self->s.ret >= 0) {
			EXPECT_EQ(2, vt_capabilities(self->fd));
			EXPECT_EQ(0, vp_probe(self->s.ret));
			close(self->s.ret);
		} else {
			EXPECT_TRUE(self->s.ret == -EFAULT ||
				    self->s.ret == -ENOMEM);
		}
		ASSERT_EQ(0, vt_info(self->fd, &self->after));
		EXPECT_EQ(0, memcmp(&self->before, &self->after,
				    sizeof(self->before)));
		EXPECT_EQ(free_fd, next_fd());
		EXPECT_EQ(self->capabilities, vt_stat_value("capabilities"));
	}
	TH_LOG("%u fault points: %u EFAULT, %u ENOMEM, %u tolerated",
	       self->s.nth - 2, self->s.efault, self->s.enomem,
	       self->s.tolerated);
	EXPECT_EQ(1, self->s.efault);
	/* the capability and the open file, at least */
	EXPECT_LE(2, self->s.enomem);
}

/* In a process of its own: a table of descriptors once grown stays so. */
static int derive_with_full_table(unsigned int nth, int fd, struct vi_sweep *out)
{
	struct vi_sweep *s = vp_shared(sizeof(*s));
	pid_t pid;
	int ret;

	s->nth = nth;
	pid = vt_fork();
	if (pid < 0)
		return pid;
	if (pid == 0) {
		int nth_fd;

		vp_keep_only(fd);
		nth_fd = vi_open();
		while (next_fd() < FULL_TABLE)
			if (dup(0) < 0)
				_exit(3);
		derive_once(s, nth_fd, fd);
		_exit(0);
	}
	ret = vt_reap(pid);
	*out = *s;
	munmap(s, sizeof(*s));
	return ret;
}

TEST_F(failnth, derive_with_full_table)
{
	vi_for_each_nth_until(&self->s, 1, 3) {
		struct vi_sweep one = { 0 };

		ASSERT_EQ(0, derive_with_full_table(self->s.nth, self->fd, &one));
		self->s.injected = one.injected;
		self->s.ret = one.ret;
		self->s.efault += one.efault;
		self->s.enomem += one.enomem;
		if (one.ret < 0) {
			EXPECT_TRUE(one.ret == -EFAULT || one.ret == -ENOMEM);
		} else {
			EXPECT_EQ(FULL_TABLE, one.ret);
		}
		ASSERT_EQ(0, vt_wait_capabilities(self->fd, 1));
	}
	EXPECT_EQ(1, self->s.efault);
	/* the capability, the table, and the open file, at least */
	EXPECT_LE(3, self->s.enomem);
}

/* No descriptor left: the capability made for it goes away again. */
TEST(derive_without_a_descriptor)
{
	long long capabilities = vt_stat_value("capabilities");
	struct rlimit old, few = { 0 };
	int fd = vt_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	few.rlim_max = old.rlim_max;
	few.rlim_cur = (rlim_t)next_fd();
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	EXPECT_EQ(-EMFILE, vt_derive(fd, VIPC_RIGHT_SEND, 1));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
	EXPECT_EQ(1, vt_capabilities(fd));
	EXPECT_EQ(capabilities + 1, vt_stat_value("capabilities"));
	close(fd);
}

TEST_F(failnth, open)
{
	static const int modes[] = { O_RDWR, O_RDONLY, O_WRONLY };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		vi_for_each_nth_until(&self->s, 0, 3) {
			int free_fd = next_fd();

			ASSERT_EQ(0, vi_arm(self->nth, self->s.nth));
			self->s.ret = vt_open_flags(modes[i]);
			self->s.injected = vi_disarm(self->nth);
			vi_note(&self->s);
			if (self->s.ret >= 0) {
				close(self->s.ret);
			} else {
				EXPECT_TRUE(self->s.ret == -EFAULT ||
					    self->s.ret == -ENOMEM);
			}
			EXPECT_EQ(self->endpoints, vt_stat_value("endpoints"));
			EXPECT_EQ(self->capabilities,
				  vt_stat_value("capabilities"));
			EXPECT_EQ(free_fd, next_fd());
		}
		/* the file, the endpoint, the capability, at least */
		EXPECT_LE(3, self->s.enomem);
	}
}

TEST_F(failnth, info)
{
	vi_for_each_nth(&self->s) {
		struct vipc_info info = { 0 };

		ASSERT_EQ(0, vt_info(self->fd, &self->before));
		self->s.ret = vi_ioctl(self->nth, self->s.nth,
				       &self->s.injected, self->fd,
				       VIPC_IOC_INFO, &info);
		vi_note(&self->s);
		if (self->s.ret) {
			EXPECT_EQ(-EFAULT, self->s.ret);
		} else {
			EXPECT_EQ(0, memcmp(&self->before, &info, sizeof(info)));
		}
	}
	/* in, back as a proof that it can be written, and out */
	EXPECT_EQ(3, self->s.efault);
	EXPECT_EQ(0, self->s.enomem);
}

/* Looking at them: the files in debugfs, and fdinfo. */
TEST_F(failnth, views)
{
	char fdinfo[64];
	const char * const paths[] = {
		VT_DEBUGFS "stats", VT_DEBUGFS "latency",
		VT_DEBUGFS "endpoints", VT_DEBUGFS "waits", fdinfo,
	};
	static char text[8192];

	snprintf(fdinfo, sizeof(fdinfo), "/proc/self/fdinfo/%d", self->fd);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		vi_for_each_nth_until(&self->s, 1, 2) {
			int ret, fd;

			ASSERT_EQ(0, vi_arm(self->nth, self->s.nth));
			fd = open(paths[i], O_RDONLY | O_CLOEXEC);
			ret = fd < 0 ? -errno : 0;
			if (fd >= 0 && read(fd, text, sizeof(text)) < 0)
				ret = -errno;
			self->s.ret = ret;
			self->s.injected = vi_disarm(self->nth);
			vi_note(&self->s);
			if (fd >= 0)
				close(fd);
			EXPECT_TRUE(ret == 0 || ret == -EFAULT ||
				    ret == -ENOMEM) {
				TH_LOG("%s: fault point %u: error %d", paths[i],
				       self->s.nth, ret);
			}
		}
		/* the file, its buffer, what is added up, at least */
		EXPECT_LE(2, self->s.enomem);
		EXPECT_LE(1, self->s.efault);
	}
}

/* ---- loading the module ---- */

/* The addresses of @symbol in the kernel's text. */
static int text_range(const char *symbol, unsigned long range[2])
{
	char line[256], name[128];
	unsigned long address, begin = 0, end = 0;
	FILE *f = fopen("/proc/kallsyms", "re");
	char type;

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx %c %127s", &address, &type, name) != 3)
			continue;
		if (!strcmp(name, symbol))
			begin = address;
	}
	rewind(f);
	while (begin && fgets(line, sizeof(line), f)) {
		address = strtoul(line, NULL, 16);
		if (address > begin && (!end || address < end))
			end = address;
	}
	fclose(f);
	if (!begin || !end)
		return -ENOENT;
	range[0] = begin;
	range[1] = end;
	return 0;
}

/* Faults only below the function at @range; NULL: everywhere. */
static int only_below(const unsigned long *range)
{
	static const char * const kinds[] = {
		"failslab", "fail_page_alloc", "fail_usercopy", "fail_futex",
	};
	unsigned long all[2] = { 0, ULONG_MAX };
	char path[96], value[32];
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && !ret; i++) {
		for (int end = 0; end < 2 && !ret; end++) {
			snprintf(path, sizeof(path), VI_DEBUGFS "%s/require-%s",
				 kinds[i], end ? "end" : "start");
			snprintf(value, sizeof(value), "%#lx",
				 (range ? range : all)[end]);
			if (access(path, F_OK))
				return -ENOENT;
			ret = vt_write_file(path, value);
		}
	}
	return ret;
}

static const char *module_path(void)
{
	const char *path = getenv("VIPC_KO");

	return path ? path : "/lib/modules/vipc.ko";
}

static int load(int ko)
{
	return syscall(SYS_finit_module, ko, "", 0) ? -errno : 0;
}

/* What runs shortly after its last close may hold it a little longer. */
static int unload(void)
{
	int ret;

	for (int i = 0; i < 100; i++) {
		ret = syscall(SYS_delete_module, "vipc", O_NONBLOCK) ? -errno : 0;
		if (ret != -EAGAIN)
			break;
		vt_pause_us(1000);
	}
	return ret;
}

/*
 * Each allocation of module_init(): it fails, or does without, and either way a
 * later try works, with nothing left of the first.
 */
TEST(loading_the_module)
{
	const char *why = vi_setup();
	unsigned long range[2];
	int ko, nth, loaded = 1;
	struct vi_sweep s;

	if (why)
		SKIP(return, "%s", why);
	ko = open(module_path(), O_RDONLY | O_CLOEXEC);
	if (ko < 0)
		SKIP(return, "no %s: set VIPC_KO to the module's path",
		     module_path());
	nth = vi_open();
	ASSERT_LE(0, nth);
	ASSERT_EQ(0, text_range("do_one_initcall", range));
	if (only_below(range))
		SKIP(return, "no CONFIG_FAULT_INJECTION_STACKTRACE_FILTER");
	ASSERT_EQ(0, unload());
	vi_for_each_nth_until(&s, 0, 2) {
		ASSERT_EQ(0, vi_arm(nth, s.nth));
		s.ret = load(ko);
		s.injected = vi_disarm(nth);
		vi_note(&s);
		loaded = !s.ret;
		if (loaded) {
			int fd = vt_open();

			EXPECT_LE(0, fd);
			close(fd);
			EXPECT_EQ(0, unload());
		} else {
			EXPECT_TRUE(s.ret == -ENOMEM || s.ret == -EFAULT) {
				TH_LOG("fault point %u: error %d", s.nth, s.ret);
			}
			EXPECT_NE(0, access("/sys/module/vipc", F_OK));
			EXPECT_NE(0, access(VT_DEVICE, F_OK));
			EXPECT_NE(0, access(VT_DEBUGFS, F_OK));
		}
	}
	EXPECT_EQ(0, only_below(NULL));
	EXPECT_EQ(0, load(ko));
	EXPECT_LT(s.nth, VI_MAX_NTH);
	TH_LOG("%u fault points: %u ENOMEM, %u tolerated", s.nth - 2, s.enomem,
	       s.tolerated);
	/* the device has at least a name and a structure */
	EXPECT_LE(2, s.enomem);
	/* nobody has to have debugfs */
	EXPECT_LE(1, s.tolerated);
	close(nth);
	close(ko);
}

TEST_HARNESS_MAIN
