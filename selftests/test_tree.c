// SPDX-License-Identifier: GPL-2.0
/*
 * The tree of capabilities: very wide, very deep, closed in every order, and
 * compared step by step with a model that is simple enough to be right.
 */
#include "vipc_procs.h"

#include <sys/resource.h>

#define FLAT	10000
#define DEEP	1000
#define MOVING	20000
#define STEPS	40000
#define NODES	24

/* Lets this process have @n descriptors. */
static int raise_nofile(rlim_t n)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl))
		return -errno;
	if (rl.rlim_cur >= n)
		return 0;
	rl.rlim_cur = n;
	if (rl.rlim_max < n)
		rl.rlim_max = n;
	return setrlimit(RLIMIT_NOFILE, &rl) ? -errno : 0;
}

/* A line of /proc/meminfo in kB, or -1. */
static long meminfo_kb(const char *name)
{
	char line[128], key[64];
	long kb, ret = -1;
	FILE *f = fopen("/proc/meminfo", "re");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63[^:]: %ld", key, &kb) == 2 &&
		    !strcmp(key, name)) {
			ret = kb;
			break;
		}
	}
	fclose(f);
	return ret;
}

/* ---- size ---- */

TEST(wide)
{
	static int fd[FLAT];
	int alive = 0, failed = 0, root = vt_open();

	ASSERT_LE(0, root);
	if (raise_nofile(FLAT + 100))
		SKIP(return, "cannot raise RLIMIT_NOFILE to %d", FLAT + 100);
	for (int i = 0; i < FLAT; i++) {
		fd[i] = vt_derive(root, VIPC_RIGHTS_ALL, i + 1);
		failed += fd[i] < 0;
	}
	ASSERT_EQ(0, failed);
	EXPECT_EQ(FLAT + 1, vt_capabilities(root));
	/* half of them leave, from both ends and out of the middle */
	for (int i = 0; i < FLAT; i += 2)
		close(fd[i]);
	EXPECT_EQ(FLAT / 2 + 1, vt_capabilities(root));
	for (int i = 1; i < FLAT; i += 2)
		alive += vp_probe(fd[i]) == 0;
	EXPECT_EQ(FLAT / 2, alive);
	EXPECT_EQ(0, vt_revoke(root));
	alive = 0;
	for (int i = 1; i < FLAT; i += 2)
		alive += vp_probe(fd[i]) != -EKEYREVOKED;
	EXPECT_EQ(0, alive);
	for (int i = 1; i < FLAT; i += 2)
		close(fd[i]);
	EXPECT_EQ(1, vt_capabilities(root));
	close(root);
}

TEST(deep)
{
	static int fd[DEEP];
	int alive = 0;

	if (raise_nofile(DEEP + 100))
		SKIP(return, "cannot raise RLIMIT_NOFILE to %d", DEEP + 100);
	fd[0] = vt_open();
	ASSERT_LE(0, fd[0]);
	for (int i = 1; i < DEEP; i++) {
		fd[i] = vt_derive(fd[i - 1], VIPC_RIGHTS_ALL, 5);
		ASSERT_LE(0, fd[i]);
	}
	EXPECT_EQ(DEEP, vt_capabilities(fd[DEEP - 1]));
	/* the lower half goes */
	EXPECT_EQ(0, vt_revoke(fd[DEEP / 2]));
	for (int i = 0; i < DEEP; i++) {
		int want = i > DEEP / 2 ? -EKEYREVOKED : 0;

		alive += vp_probe(fd[i]) == want;
	}
	EXPECT_EQ(DEEP, alive);
	/* the middle goes; the rest hangs together all the same */
	for (int i = 1; i < DEEP / 2; i++)
		close(fd[i]);
	EXPECT_EQ(0, vp_probe(fd[DEEP / 2]));
	EXPECT_EQ(0, vt_revoke(fd[0]));
	EXPECT_EQ(-EKEYREVOKED, vp_probe(fd[DEEP / 2]));
	EXPECT_EQ(0, vp_probe(fd[0]));
	for (int i = DEEP / 2; i < DEEP; i++)
		close(fd[i]);
	EXPECT_EQ(1, vt_capabilities(fd[0]));
	close(fd[0]);
}

/*
 * Derive, close the parent, and so on: the tree never has more than three
 * capabilities, and must not take more memory than that.
 */
TEST(moving)
{
	int root = vt_open(), fd, failed = 0;
	long before;

	ASSERT_LE(0, root);
	fd = vt_derive(root, VIPC_RIGHTS_ALL, 1);
	ASSERT_LE(0, fd);
	before = meminfo_kb("SUnreclaim");
	ASSERT_LT(0, before);
	for (int i = 0; i < MOVING; i++) {
		int next = vt_derive(fd, VIPC_RIGHTS_ALL, 1);

		failed += next < 0;
		close(fd);
		fd = next;
	}
	ASSERT_EQ(0, failed);
	EXPECT_EQ(2, vt_capabilities(root));
	/*
	 * 64 bytes kept of each would be 1.2 MB. What is freed after a grace
	 * period comes back soon: wait for it.
	 */
	EXPECT_EQ(0, vt_wait_until(meminfo_kb("SUnreclaim") < before + 1000));
	EXPECT_EQ(0, vt_revoke(root));
	EXPECT_EQ(-EKEYREVOKED, vp_probe(fd));
	close(fd);

	/* the same with the very first capability closed */
	fd = vt_derive(root, VIPC_RIGHTS_ALL, 1);
	ASSERT_LE(0, fd);
	close(root);
	for (int i = 0; i < DEEP; i++) {
		int next = vt_derive(fd, VIPC_RIGHTS_ALL, 1);

		failed += next < 0;
		close(fd);
		fd = next;
	}
	ASSERT_EQ(0, failed);
	EXPECT_EQ(1, vt_capabilities(fd));
	close(fd);
}

/* ---- closing hands the children to the parent ---- */

TEST(close_reparents)
{
	int root = vt_open(), mid, sib, leaf;

	ASSERT_LE(0, root);
	mid = vt_derive(root, VIPC_RIGHTS_ALL, 1);
	sib = vt_derive(root, VIPC_RIGHTS_ALL, 2);
	leaf = vt_derive(mid, VIPC_RIGHTS_ALL, 1);
	ASSERT_LE(0, mid);
	ASSERT_LE(0, sib);
	ASSERT_LE(0, leaf);
	close(mid);
	EXPECT_EQ(0, vt_revoke(sib));
	EXPECT_EQ(0, vp_probe(leaf));
	EXPECT_EQ(0, vt_revoke(root));
	EXPECT_EQ(-EKEYREVOKED, vp_probe(leaf));
	EXPECT_EQ(-EKEYREVOKED, vp_probe(sib));
	close(sib);
	close(leaf);

	/* with the root closed there is nobody above: siblings stay apart */
	mid = vt_derive(root, VIPC_RIGHTS_ALL, 1);
	sib = vt_derive(root, VIPC_RIGHTS_ALL, 2);
	leaf = vt_derive(mid, VIPC_RIGHTS_ALL, 1);
	close(root);
	EXPECT_EQ(0, vt_revoke(sib));
	EXPECT_EQ(0, vp_probe(leaf));
	EXPECT_EQ(0, vp_probe(mid));
	EXPECT_EQ(0, vt_revoke(mid));
	EXPECT_EQ(-EKEYREVOKED, vp_probe(leaf));
	EXPECT_EQ(0, vp_probe(sib));
	close(mid);
	close(sib);
	close(leaf);
}

/* ---- the model ---- */

struct node {
	int fd;			/* -1: closed, or never used */
	int parent;		/* index, -1: none */
	uint32_t rights;
	uint64_t badge;
	bool revoked;
};

struct model {
	struct node node[NODES];
	bool dead;
};

static bool below(const struct model *t, int i, int top)
{
	while (i >= 0 && i != top)
		i = t->node[i].parent;
	return i >= 0;
}

static void model_settle(struct model *t)
{
	for (int i = 0; i < NODES; i++)
		if (t->node[i].fd >= 0 && !t->node[i].revoked &&
		    (t->node[i].rights & VIPC_RIGHT_RECV))
			return;
	t->dead = true;
}

/* Closes node @i in the model and in the kernel. */
static void tree_close(struct model *t, int i)
{
	for (int j = 0; j < NODES; j++)
		if (t->node[j].fd >= 0 && t->node[j].parent == i)
			t->node[j].parent = t->node[i].parent;
	close(t->node[i].fd);
	t->node[i].fd = -1;
	model_settle(t);
}

static bool tree_revoke(struct model *t, int i)
{
	struct node *n = &t->node[i];
	int want = n->revoked ? -EKEYREVOKED :
		   n->rights & VIPC_RIGHT_REVOKE ? 0 : -EACCES;

	if (!want)
		for (int j = 0; j < NODES; j++)
			if (j != i && t->node[j].fd >= 0 && below(t, j, i))
				t->node[j].revoked = true;
	model_settle(t);
	return vt_revoke(n->fd) == want;
}

static bool tree_derive(struct model *t, int i, int free_slot,
			uint32_t rights, uint64_t badge)
{
	struct node *n = &t->node[i];
	int want = n->revoked ? -EKEYREVOKED :
		   !(n->rights & VIPC_RIGHT_GRANT) ? -EACCES :
		   rights & ~n->rights ? -EACCES :
		   n->badge && badge != n->badge ? -EINVAL :
		   t->dead ? -EPIPE : 0;
	int fd = vt_derive(n->fd, rights, badge);

	if (want)
		return fd == want;
	if (fd < 0)
		return false;
	t->node[free_slot] = (struct node){
		.fd = fd, .parent = i, .rights = rights, .badge = badge,
	};
	return true;
}

/* Does the kernel see each capability as the model does? */
static bool tree_agrees(struct model *t)
{
	uint32_t open_caps = 0;

	for (int i = 0; i < NODES; i++)
		open_caps += t->node[i].fd >= 0;
	for (int i = 0; i < NODES; i++) {
		struct node *n = &t->node[i];
		struct vipc_info info;
		int ret;

		if (n->fd < 0)
			continue;
		ret = vt_info(n->fd, &info);
		if (n->revoked) {
			if (ret == -EKEYREVOKED)
				continue;
			return false;
		}
		if (ret || info.rights != n->rights || info.badge != n->badge ||
		    info.state != (t->dead ? VIPC_STATE_DEAD : VIPC_STATE_LIVE) ||
		    info.capabilities != open_caps)
			return false;
	}
	return true;
}

static bool tree_init(struct model *t)
{
	*t = (struct model){ .dead = false };
	for (int i = 0; i < NODES; i++)
		t->node[i].fd = -1;
	t->node[0] = (struct node){
		.fd = vt_open(), .parent = -1, .rights = VIPC_RIGHTS_ALL,
	};
	return t->node[0].fd >= 0;
}

static void tree_close_all(struct model *t)
{
	for (int i = 0; i < NODES; i++)
		if (t->node[i].fd >= 0)
			close(t->node[i].fd);
}

/* A random node that is open (@used) or free; -1: there is none. */
static int tree_pick(struct model *t, struct vp_rng *rng, bool used)
{
	int start = (int)vp_random(rng, NODES);

	for (int i = 0; i < NODES; i++) {
		int k = (start + i) % NODES;

		if (used ? t->node[k].fd >= 0 : t->node[k].fd < 0)
			return k;
	}
	return -1;
}

/* One random step; false: the kernel answered otherwise than the model. */
static bool tree_step(struct model *t, struct vp_rng *rng)
{
	uint32_t what = vp_random(rng, 100);
	int node = tree_pick(t, rng, true), slot = tree_pick(t, rng, false);
	uint32_t rights = VIPC_RIGHTS_ALL;
	uint64_t badge;

	if (what < 30 || (what < 70 && slot < 0)) {
		tree_close(t, node);
		return true;
	}
	if (what >= 90)
		return tree_revoke(t, node);
	if (slot < 0)
		return true;
	/* mostly what works, sometimes anything */
	if (vp_random(rng, 4) == 0)
		rights = vp_random(rng, VIPC_RIGHTS_ALL + 1);
	else
		rights &= t->node[node].rights;
	badge = t->node[node].badge;
	if (vp_random(rng, 4) == 0)
		badge = vp_random(rng, 3);
	return tree_derive(t, node, slot, rights, badge);
}

TEST(random_trees_against_model)
{
	struct vp_rng rng = vp_rng_init(vp_seed(), 0);
	struct model t;
	unsigned int trees = 1, dead = 0, revoked = 0;

	ASSERT_TRUE(tree_init(&t));
	for (int i = 0; i < STEPS; i++) {
		if (tree_pick(&t, &rng, true) < 0 ||
		    (t.dead && vp_random(&rng, 50) == 0)) {
			tree_close_all(&t);
			ASSERT_TRUE(tree_init(&t));
			trees++;
		}
		ASSERT_TRUE(tree_step(&t, &rng)) {
			TH_LOG("step %d", i);
		}
		ASSERT_TRUE(tree_agrees(&t)) {
			TH_LOG("after step %d", i);
		}
		dead += t.dead;
		for (int j = 0; j < NODES; j++)
			revoked += t.node[j].fd >= 0 && t.node[j].revoked;
	}
	tree_close_all(&t);
	/* it would prove little if it had not met these often */
	EXPECT_LT(STEPS / 4000, trees);
	EXPECT_LT(STEPS / 1000, dead);
	EXPECT_LT(STEPS / 10, revoked);
}

/* ---- every small tree, closed in every order, revoked at every point ---- */

#define SMALL 5

/* Builds the tree in which node i (1..SMALL-1) hangs on parent[i]. */
static bool small_build(struct model *t, const int *parent)
{
	if (!tree_init(t))
		return false;
	for (int i = 1; i < SMALL; i++)
		if (!tree_derive(t, parent[i], i, VIPC_RIGHTS_ALL, 0))
			return false;
	return true;
}

/*
 * Closes the first @n nodes of @order, then revokes each of the others in
 * turn, each in a tree of its own. The number of trees tried, or -1.
 */
static int small_revokes(const int *parent, const int *order, int n)
{
	bool closed[SMALL] = { false };
	struct model t;
	int tried = 0;

	for (int i = 0; i < n; i++)
		closed[order[i]] = true;
	for (int r = 0; r < SMALL; r++) {
		bool good;

		if (closed[r])
			continue;
		good = small_build(&t, parent);
		for (int i = 0; good && i < n; i++)
			tree_close(&t, order[i]);
		good = good && tree_revoke(&t, r) && tree_agrees(&t);
		tree_close_all(&t);
		if (!good)
			return -1;
		tried++;
	}
	return tried;
}

/* Every order in which some of the nodes can be closed. */
static int small_orders(const int *parent, int *order, int n)
{
	int tried = small_revokes(parent, order, n);

	if (tried < 0 || n == SMALL - 1)
		return tried;
	for (int next = 0; next < SMALL; next++) {
		bool used = false;
		int ret;

		for (int i = 0; i < n; i++)
			used |= order[i] == next;
		if (used)
			continue;
		order[n] = next;
		ret = small_orders(parent, order, n + 1);
		if (ret < 0)
			return ret;
		tried += ret;
	}
	return tried;
}

TEST(every_small_tree_in_every_order)
{
	int parent[SMALL] = { -1, 0 }, order[SMALL], tried = 0;

	for (parent[2] = 0; parent[2] < 2; parent[2]++)
		for (parent[3] = 0; parent[3] < 3; parent[3]++)
			for (parent[4] = 0; parent[4] < 4; parent[4]++) {
				int ret = small_orders(parent, order, 0);

				ASSERT_LT(0, ret) {
					TH_LOG("parents 0 %d %d %d", parent[2],
					       parent[3], parent[4]);
				}
				tried += ret;
			}
	/* 24 shapes; 5 + 5*4 + 20*3 + 60*2 + 120*1 pairs of order, revoker */
	EXPECT_EQ(24 * 325, tried);
}

TEST_HARNESS_MAIN
