/* What the base system's programs ask for: devices, interrupts, System V IPC, jails, modules. FreeBSD's sources are named at
 * each. */
#include "by_name.h"
#define _WANT_SYSVSHM_INTERNALS
#define _WANT_SYSVSEM_INTERNALS
#define _WANT_SYSVMSG_INTERNALS
#include <sys/cpuset.h>
#include <sys/devicestat.h>
#include <sys/ipc.h>
#include <sys/module.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/sysctl.h>
#include <sys/user.h>
#include <sys/queue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/tcp_var.h>
#include <sys/socket.h>

#define ROOM (32UL << 20)
#define ID_OF(place, perm) ((int)((u32)(perm).seq << 16 | (u32)(place)))	/* sys/ipc.h, IXSEQ_TO_IPCID */

static void *
room_for(size_t size)
{
	return ((void *)CHECK_OK(sys(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0)));
}

/* subr_devstat.c: as many records as numdevs says, behind the generation; the size of the old buffer alone; ENOMEM. */
TEST(devstat)
{
	static struct { long generation; struct devstat all[64]; } list;
	size_t size = sizeof(list);
	i64 count = number_of("kern.devstat.numdevs");

	CHECK_BETWEEN(count, 0, 64);
	CHECK_EQ(number_of("kern.devstat.version"), DEVSTAT_VERSION);
	CHECK_EQ(by_name("kern.devstat.all", &list, &size), 0);
	CHECK_EQ(size, sizeof(long) + (size_t)count * sizeof(struct devstat));
	CHECK_EQ(list.generation, number_of("kern.devstat.generation"));
	for (i64 i = 0; i < count; i++) {
		struct devstat *d = &list.all[i];
		CHECK(d->device_name[0] != '\0');
		CHECK(d->start_count >= d->end_count);
		CHECK_EQ(d->block_size, 512);
		CHECK_EQ(d->bytes[DEVSTAT_READ] % 512, 0);
		CHECK_EQ(d->sequence0, d->sequence1);
		CHECK(d->operations[DEVSTAT_READ] > 0 || d->bytes[DEVSTAT_READ] == 0);
		CHECK_EQ(d->device_type & DEVSTAT_TYPE_MASK, DEVSTAT_TYPE_DIRECT);
	}
	size = 4;
	CHECK_ERR(by_name("kern.devstat.all", &list, &size), ENOMEM);
}

/* kern_clocksource.c, kern_clock.c: cp_time counts stathz times a second, for each processor as for all of them. */
TEST(processor_ticks)
{
	struct clockinfo clock;
	struct timespec then, now;
	long before[CPUSTATES], after[CPUSTATES], each[CPUSTATES * 64], sum = 0, part = 0;
	size_t size = sizeof(clock), several = sizeof(each);

	CHECK_EQ(by_name("kern.clockrate", &clock, &size), 0);
	CHECK_BETWEEN(clock.stathz, 127, 128);
	size = sizeof(before);
	CHECK_EQ(by_name("kern.cp_time", before, &size), 0);
	CHECK_EQ(size, sizeof(before));
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &then), 0);
	guest_sleep_ms(500);
	CHECK_EQ(by_name("kern.cp_time", after, &size), 0);
	CHECK_EQ(sys(SYS_clock_gettime, CLOCK_MONOTONIC, &now), 0);
	CHECK_EQ(by_name("kern.cp_times", each, &several), 0);
	int cpus = (int)(several / sizeof(before));
	for (int i = 0; i < CPUSTATES; i++)
		sum += after[i] - before[i];
	for (size_t i = 0; i < several / sizeof(long); i++)
		part += each[i];
	long ms = (now.tv_sec - then.tv_sec) * 1000 + (now.tv_nsec - then.tv_nsec) / 1000000;
	/* Linux's processors may be more than this process may use. */
	CHECK(sum >= cpus * ms * 128 / 1000 / 2);
	CHECK(part > 0);
}

static int
highest_of_mask(u8 *mask)
{
	int highest = -1;

	CHECK_EQ(sys(SYS_cpuset_getaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, 128, mask), 0);
	for (int i = 0; i < 1024; i++)
		if (mask[i / 8] & 1 << i % 8)
			highest = i;
	return (highest);
}

/* Bound to one processor since before it was executed. */
HELPER(bound_processor)
{
	static long ticks[CPUSTATES * 1024];
	u8 mask[128];
	int maxid = -1, highest = highest_of_mask(mask);
	size_t size = sizeof(maxid);

	CHECK_EQ(by_name("kern.smp.maxid", &maxid, &size), 0);
	CHECK(maxid >= highest);
	size = sizeof(ticks);
	CHECK_EQ(by_name("kern.cp_times", ticks, &size), 0);
	CHECK_EQ(size, (maxid + 1) * sizeof(long) * CPUSTATES);
	CHECK(ticks[highest * CPUSTATES] > 0);
	guest_exit(0);
}

/* subr_smp.c: kern.smp.maxid is the machine's, whatever a process is bound to. sched_setaffinity(3) drops from a mask what is above it. */
TEST(processors_have_their_numbers)
{
	u8 mask[128], one[128] = { 0 };
	int highest = highest_of_mask(mask), pid = guest_fork();
	const char *argv[] = { "name", "@bound_processor", NULL };

	if (pid == 0) {
		one[highest / 8] = (u8)(1 << highest % 8);
		CHECK_EQ(sys(SYS_cpuset_setaffinity, CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, 128, one), 0);
		CHECK_OK(sys(SYS_execve, guest_argv[0], argv, NULL));
	}
	CHECK_EQ(guest_wait(pid), 0);
}

/* kern_intr.c: a counter and a name of MAXCOMLEN + 1 bytes for each. vmstat -i walks the names by their NULs. */
TEST(interrupts)
{
	size_t size = 0, length = 0;
	u64 sum = 0;

	CHECK_EQ(by_name("hw.intrcnt", NULL, &size), 0);
	CHECK_EQ(by_name("hw.intrnames", NULL, &length), 0);
	u64 *counts = room_for((size += 4096));
	char *names = room_for((length += 4096));
	CHECK_EQ(by_name("hw.intrcnt", counts, &size), 0);
	CHECK_EQ(by_name("hw.intrnames", names, &length), 0);
	CHECK_EQ(length / 20, size / 8);
	CHECK_EQ(length % 20, 0);
	for (size_t i = 0; i < length / 20; i++) {
		CHECK(strlen(names + i * 20) == 19 || counts[i] == 0);	/* one that is not in use has no name */
		sum += counts[i];
	}
	CHECK(sum > 0 || size == 0);
}

/* sysv_shm.c, sysv_sem.c, sysv_msg.c: a record for each place; ipcs(1) makes the id of the place and the sequence. */
static void *
record_of(const char *name, int id, size_t record, i64 places)
{
	static char *room;
	size_t size = ROOM, asked = 0;

	if (room == NULL)
		room = room_for(ROOM);
	CHECK_EQ(by_name(name, NULL, &asked), 0);
	CHECK_EQ(asked, (size_t)places * record);
	CHECK_EQ(by_name(name, room, &size), 0);
	CHECK_EQ(size, asked);
	CHECK((id & 0xffff) < places);
	return (room + (size_t)(id & 0xffff) * record);
}

TEST(ipc_tables)
{
	struct { long type; char text[8]; } message = { 1, "1234567" };

	for (int round = 0; round < 3; round++) {	/* a place is used again with another sequence */
		int shm = (int)CHECK_OK(sys(SYS_shmget, IPC_PRIVATE, 8192, IPC_CREAT | 0640));
		struct shmid_kernel *segment = record_of("kern.ipc.shmsegs", shm, sizeof(*segment), number_of("kern.ipc.shmmni"));
		CHECK_EQ(ID_OF((shm & 0xffff), segment->u.shm_perm), shm);
		CHECK_EQ(segment->u.shm_segsz, 8192);
		CHECK_EQ(segment->u.shm_perm.mode, 0640 | 0x0800 /* SHMSEG_ALLOCATED */);
		CHECK_EQ(segment->u.shm_cpid, sys(SYS_getpid));
		CHECK_EQ(sys(SYS_shmctl, shm, IPC_RMID, NULL), 0);
		segment = record_of("kern.ipc.shmsegs", shm, sizeof(*segment), number_of("kern.ipc.shmmni"));
		CHECK_EQ(segment->u.shm_perm.mode, 0x0200);	/* SHMSEG_FREE */

		int sem = (int)CHECK_OK(sys(SYS_semget, IPC_PRIVATE, 3, IPC_CREAT | 0600));
		struct semid_kernel *set = record_of("kern.ipc.sema", sem, sizeof(*set), number_of("kern.ipc.semmni"));
		CHECK_EQ(ID_OF((sem & 0xffff), set->u.sem_perm), sem);
		CHECK_EQ(set->u.sem_nsems, 3);
		CHECK_EQ(set->u.sem_perm.mode, 0600 | SEM_A | SEM_R | 01000 /* SEM_ALLOC */);
		CHECK_EQ(sys(SYS___semctl, sem, 0, IPC_RMID, NULL), 0);

		int queue = (int)CHECK_OK(sys(SYS_msgget, IPC_PRIVATE, IPC_CREAT | 0600));
		CHECK_EQ(sys(SYS_msgsnd, queue, &message, 8, 0), 0);
		struct msqid_kernel *q = record_of("kern.ipc.msqids", queue, sizeof(*q), number_of("kern.ipc.msgmni"));
		CHECK_EQ(ID_OF((queue & 0xffff), q->u.msg_perm), queue);
		CHECK_EQ(q->u.msg_qnum, 1);
		CHECK_EQ(q->u.msg_cbytes, 8);
		CHECK(q->u.msg_qbytes > 0);
		CHECK_EQ(sys(SYS_msgctl, queue, IPC_RMID, NULL), 0);
	}
}

/* sysv_shm.c, kern.ipc.shm_allow_removed: a segment that is marked for removal can be attached while somebody has it. */
TEST(removed_segment)
{
	int shm = (int)CHECK_OK(sys(SYS_shmget, IPC_PRIVATE, 4096, IPC_CREAT | 0600));
	char *one = (char *)CHECK_OK(sys(SYS_shmat, shm, NULL, 0));

	CHECK_EQ(number_of("kern.ipc.shm_allow_removed"), 1);
	CHECK_EQ(sys(SYS_shmctl, shm, IPC_RMID, NULL), 0);
	char *two = (char *)CHECK_OK(sys(SYS_shmat, shm, NULL, 0));
	one[5] = 'x';
	CHECK_EQ(two[5], 'x');
	CHECK_EQ(sys(SYS_shmdt, one), 0);
	CHECK_EQ(sys(SYS_shmdt, two), 0);
	CHECK_ERR(sys(SYS_shmat, shm, NULL, 0), EINVAL);
}

/* uipc_shm.c, sysctl_posix_shm_list: packed records with mode, size and name. */
TEST(shared_memory_list)
{
	static char list[1 << 20];
	char name[64];
	size_t size = sizeof(list);
	int found = 0;

	format(name, sizeof(name), "/lsf/test%%%d", (int)sys(SYS_getpid));
	int fd = (int)CHECK_OK(sys(SYS_shm_open2, name, O_RDWR | O_CREAT, 0640, 0, NULL));
	CHECK_EQ(sys(SYS_ftruncate, fd, 12288L), 0);
	CHECK_EQ(by_name("kern.ipc.posix_shm_list", list, &size), 0);
	for (size_t at = 0; at < size;) {
		struct kinfo_file *kf = (struct kinfo_file *)&list[at];
		CHECK(kf->kf_structsize > 0);
		CHECK_EQ(kf->kf_type, KF_TYPE_SHM);
		if (guest_strcmp(kf->kf_path, name) == 0) {
			found++;
			CHECK_EQ(kf->kf_un.kf_file.kf_file_size, 12288);
			CHECK_EQ(kf->kf_un.kf_file.kf_file_mode & ALLPERMS, 0640);
		}
		at += (size_t)kf->kf_structsize;
	}
	CHECK_EQ(sys(SYS_shm_unlink, name), 0);
	CHECK_EQ(found, 1);
}

/* kern_jail.c, sysctl_jail_param: a string's value is its room, a structure's its size; libjail reads the types. */
TEST(jail_parameters)
{
	char text[16];
	size_t size = sizeof(text);
	u64 length = 0;

	CHECK_EQ(by_name("security.jail.param.name", text, &size), 0);
	CHECK_STR(text, "256");
	size = sizeof(length);
	CHECK_EQ(by_name("security.jail.param.ip6.addr", &length, &size), 0);
	CHECK_EQ(length, 16);
	CHECK_EQ(number_of("security.jail.param.jid"), 0);
	/* A parameter that is a node too stands below itself, without a name: what comes next after the node. */
	int node[CTL_MAXNAME + 2] = { 0, 2 }, next[CTL_MAXNAME], query[2] = { 0, 3 };
	size_t n = sizeof(next), used = CTL_MAXNAME * sizeof(int);
	CHECK_EQ(sys(SYS___sysctl, query, 2, node + 2, &used, "security.jail.param.host", 24), 0);
	char name[64];
	int ask[CTL_MAXNAME + 2];
	do {
		CHECK_EQ(sys(SYS___sysctl, node, 2 + used / sizeof(int), next, &n, NULL, 0), 0);
		CHECK_EQ(n, 5 * sizeof(int));
		ask[0] = 0;
		ask[1] = 1;
		memcpy(ask + 2, next, n);
		memcpy(node + 2, next, used = n);
		size = sizeof(name);
		CHECK_EQ(sys(SYS___sysctl, ask, 2 + n / sizeof(int), name, &size, NULL, 0), 0);
		n = sizeof(next);
		CHECK(guest_starts(name, "security.jail.param.host."));
	} while (guest_strcmp(name, "security.jail.param.host.") != 0);
	n = used;
	struct { u32 kind; char format[32]; } type;
	ask[1] = 4;
	size = sizeof(type);
	CHECK_EQ(sys(SYS___sysctl, ask, 2 + n / sizeof(int), &type, &size, NULL, 0), 0);
	CHECK_EQ(type.kind & CTLTYPE, CTLTYPE_INT);
	CHECK_STR(type.format, "E,jailsys");
}

/* Declared in kern_exec.c, vm_pageout.c, tty_ttydisc.c, sys_generic.c, uipc_usrreq.c, in_pcb.c, sysv_*.c, kern_jail.c. */
TEST(single_values)
{
	CHECK_EQ(number_of("security.bsd.map_at_zero"), 0);
	CHECK_BETWEEN(number_of("vm.max_user_wired"), 1, number_of("hw.availpages"));
	CHECK(number_of("kern.tty_nin") >= 0 && number_of("kern.tty_nout") >= 0);
	CHECK_EQ(number_of("debug.iosize_max_clamp"), 0);
	CHECK_EQ(number_of("net.local.seqpacket.maxseqpacket"), GUEST_RELEASE >= 15 ? 65536 : 8192);
	CHECK_EQ(number_of("net.local.seqpacket.recvspace"), GUEST_RELEASE >= 15 ? 65536 : 8192);
	CHECK_BETWEEN(number_of("net.inet.ip.connect_inaddr_wild"), 0, 1);
	CHECK_EQ(number_of("kern.ipc.msgssz") * number_of("kern.ipc.msgseg"), 16384);
	CHECK(number_of("kern.ipc.msgtql") > 0 && number_of("kern.ipc.semume") > 0 && number_of("kern.ipc.semmnu") > 0);
	CHECK_EQ(number_of("security.jail.enforce_statfs"), 2);
	CHECK_EQ(number_of("vm.ndomains"), 1);
	CHECK_EQ(number_of("kern.suspend_blocked") + number_of("kern.racct.enable"), 0);
	CHECK_BETWEEN(number_of("kern.ipc.tls.enable"), 0, 1);
	CHECK_BETWEEN(number_of("vm.kmem_map_size"), 1, number_of("vm.kmem_size"));
	CHECK_EQ(number_of("kern.trap_enotcap"), 0);
	char text[512];
	size_t size = sizeof(text);
	CHECK_EQ(by_name("machdep.bootmethod", text, &size), 0);
	CHECK_EQ(size, strlen(text) + 1);	/* UEFI, BIOS, or what else started it */
	static char mesh[4096];
	size = sizeof(mesh);
	CHECK_EQ(by_name("kern.geom.confxml", mesh, &size), 0);
	CHECK(guest_starts(mesh, "<mesh>\n"));
	CHECK_STR(mesh + strlen(mesh) - 8, "</mesh>\n");
}

/* netinet/ip_var.h and its kin: structs of 64-bit counters, which only grow (but for what wraps, which none does here). */
TEST(protocol_counters)
{
	static const struct { const char *name; size_t size; } structs[] = { { "net.inet.ip.stats", 232 }, { "net.inet.icmp.stats", 752 },
		{ "net.inet.udp.stats", 112 }, { "net.inet.tcp.stats", sizeof(struct tcpstat) }, { "net.inet6.ip6.stats", 3320 },
		{ "net.inet6.icmp6.stats", 4632 } };
	static u64 before[1024], after[1024];

	for (size_t i = 0; i < nitems(structs); i++) {
		size_t n = sizeof(before), m = sizeof(after);
		CHECK_EQ(by_name(structs[i].name, before, &n), 0);
		CHECK_EQ(by_name(structs[i].name, after, &m), 0);
		CHECK_EQ(n, structs[i].size);
		CHECK_EQ(m, n);
		for (size_t k = 0; k < n / 8; k++)
			CHECK(after[k] >= before[k]);
		n = 16;
		CHECK_ERR(by_name(structs[i].name, after, &n), ENOMEM);
	}
	/* A connection on loopback is one more that was asked for, and one that was accepted. */
	struct sockaddr_in a = { .sin_len = sizeof(a), .sin_family = AF_INET, .sin_addr = { 0x0100007f } };
	u32 length = sizeof(a);
	int l = (int)CHECK_OK(sys(SYS_socket, PF_INET, SOCK_STREAM, 0)), c = (int)CHECK_OK(sys(SYS_socket, PF_INET, SOCK_STREAM, 0));
	size_t n = sizeof(before), m = sizeof(after);
	CHECK_EQ(sys(SYS_bind, l, &a, sizeof(a)), 0);
	CHECK_EQ(sys(SYS_listen, l, 5), 0);
	CHECK_EQ(sys(SYS_getsockname, l, &a, &length), 0);
	CHECK_EQ(by_name("net.inet.tcp.stats", before, &n), 0);
	CHECK_EQ(sys(SYS_connect, c, &a, sizeof(a)), 0);
	CHECK_OK(sys(SYS_accept, l, NULL, NULL));
	CHECK_EQ(by_name("net.inet.tcp.stats", after, &m), 0);
	CHECK(after[0] > before[0]);		/* tcps_connattempt */
	CHECK(after[1] > before[1]);		/* tcps_accepts */
	CHECK(after[17] > before[17]);		/* tcps_sndtotal */
	/* And by state (tcp_fsm.h): one that listens, two ends that are established. */
	n = sizeof(before);
	CHECK_EQ(by_name("net.inet.tcp.states", before, &n), 0);
	CHECK_EQ(n, 11 * 8);
	CHECK(before[1] >= 1 && before[4] >= 2);
}

/* kern_descrip.c, sysctl_kern_proc_nfds: of the caller alone, which is 0. */
TEST(number_of_descriptors)
{
	int name[4] = { CTL_KERN, KERN_PROC, KERN_PROC_NFDS, 0 }, before = 0, after = 0;
	size_t n = sizeof(before);

	CHECK_EQ(sys(SYS___sysctl, name, 4, &before, &n, NULL, 0), 0);
	CHECK_EQ(n, 4);
	CHECK_OK(sys(SYS_dup, 0));
	CHECK_EQ(sys(SYS___sysctl, name, 4, &after, &n, NULL, 0), 0);
	CHECK_EQ(after, before + 1);
	name[3] = (int)sys(SYS_getpid);
	CHECK_ERR(sys(SYS___sysctl, name, 4, &after, &n, NULL, 0), EINVAL);
	CHECK_ERR(sys(SYS___sysctl, name, 3, &after, &n, NULL, 0), EINVAL);
}

/* kern_module.c: the parts of the kernel that programs ask for before they use them. */
TEST(modules)
{
	static struct module_stat stat;
	int count = 0;
	int aio = (int)CHECK_OK(sys(SYS_modfind, "aio"));

	CHECK_OK(sys(SYS_modfind, "mqueuefs"));
	CHECK_OK(sys(SYS_modfind, "sysvshm"));
	if (GUEST_RELEASE >= 14)
		CHECK_OK(sys(SYS_modfind, "netlink"));
	CHECK_ERR(sys(SYS_modfind, "nothing"), ENOENT);
	CHECK_ERR(sys(SYS_modfind, 8), EFAULT);
	stat.version = sizeof(stat);
	CHECK_EQ(sys(SYS_modstat, aio, &stat), 0);
	CHECK_STR(stat.name, "aio");
	CHECK_EQ(stat.id, aio);
	CHECK_EQ(stat.refs, 1);
	for (long id = CHECK_OK(sys(SYS_modnext, 0)); id != 0; id = CHECK_OK(sys(SYS_modnext, id))) {
		CHECK_EQ(sys(SYS_modstat, id, &stat), 0);
		CHECK_EQ(sys(SYS_modfind, stat.name), id);
		count++;
	}
	CHECK(count >= 6);
	CHECK_ERR(sys(SYS_modfnext, 0), ENOENT);
	CHECK_ERR(sys(SYS_modnext, 99999), ENOENT);
	CHECK_ERR(sys(SYS_modstat, 99999, &stat), ENOENT);
	stat.version = 3;
	CHECK_ERR(sys(SYS_modstat, aio, &stat), EINVAL);
}
