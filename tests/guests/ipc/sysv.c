/* System V shared memory, semaphores and message queues. */
#include "guest.h"
#define COMPAT_FREEBSD7		/* the structs from before FreeBSD 8 */
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/sysctl.h>

#define OWNER_MODE(perm) do { \
	CHECK_EQ((perm).uid, sys(SYS_geteuid)); \
	CHECK_EQ((perm).cuid, sys(SYS_geteuid)); \
	CHECK_EQ((perm).mode & 0777, 0600); \
} while (0)

TEST(shared_memory)
{
	struct shmid_ds ds;
	long id = sys(SYS_shmget, IPC_PRIVATE, 3 * PAGE_SIZE, IPC_CREAT | 0600);

	if (id == -ENOSYS)
		SKIP("this kernel has no System V IPC");
	CHECK_OK(id);
	char *p = (char *)CHECK_OK(sys(SYS_shmat, id, NULL, 0));
	p[0] = 'a';
	CHECK_EQ(sys(SYS_shmctl, id, IPC_STAT, &ds), 0);
	CHECK_EQ(ds.shm_segsz, 3 * PAGE_SIZE);
	CHECK_EQ(ds.shm_nattch, 1);
	CHECK_EQ(ds.shm_cpid, sys(SYS_getpid));
	CHECK_EQ(ds.shm_perm.key, IPC_PRIVATE);
	CHECK(ds.shm_atime > 1600000000 && ds.shm_ctime > 1600000000);
	OWNER_MODE(ds.shm_perm);
	IN_CHILD({
		CHECK_EQ(p[0], 'a');
		p[PAGE_SIZE] = 'b';
		char *again = (char *)CHECK_OK(sys(SYS_shmat, id, NULL, SHM_RDONLY));
		CHECK_EQ(again[0], 'a');
		CHECK_EQ(sys(SYS_shmdt, again), 0);
		CHECK_ERR(sys(SYS_shmdt, again), EINVAL);
	});
	CHECK_EQ(p[PAGE_SIZE], 'b');
	/* At an address: not on top of something, unless asked. */
	char *room = guest_map(8 * PAGE_SIZE);
	CHECK_ERR(sys(SYS_shmat, id, room, 0), ENOMEM);
	CHECK_EQ(sys(SYS_shmat, id, room, SHM_REMAP), room);
	CHECK_EQ(room[0], 'a');
	CHECK_EQ(sys(SYS_munmap, room + 4 * PAGE_SIZE, 4 * PAGE_SIZE), 0);
	CHECK_EQ(sys(SYS_shmat, id, room + 4 * PAGE_SIZE + 5, SHM_RND), room + 4 * PAGE_SIZE);
	CHECK_ERR(sys(SYS_shmat, id, room + 5, 0), EINVAL);
	ds.shm_perm.mode = 0640;
	CHECK_EQ(sys(SYS_shmctl, id, IPC_SET, &ds), 0);
	CHECK_EQ(sys(SYS_shmctl, id, IPC_STAT, &ds), 0);
	CHECK_EQ(ds.shm_perm.mode & 0777, 0640);
	/* Nobody can lock, and only Linux programs get the others. */
	const int none[] = { SHM_LOCK, SHM_UNLOCK, IPC_INFO, SHM_STAT, SHM_INFO };
	for (u64 i = 0; i < nitems(none); i++)
		CHECK_ERR(sys(SYS_shmctl, id, none[i], &ds), EINVAL);
	CHECK_EQ(sys(SYS_shmctl, id, IPC_RMID, NULL), 0);
	CHECK_ERR(sys(SYS_shmctl, 0x7ffffff, IPC_STAT, &ds), EINVAL);
	CHECK_ERR(sys(SYS_shmctl, id, 99, &ds), EINVAL);
	CHECK_ERR(sys(SYS_shmget, 0x12345678, 4096, 0600), ENOENT);
}

/*
 * SHM_REMAP is 040000 since FreeBSD 15. Before, it was 030000, which is SHM_RND | SHM_RDONLY, and either bit of it put the
 * segment in the place of what was there (kern_shmat_locked).
 */
TEST(shared_memory_in_place)
{
	int mib[2] = { CTL_KERN, KERN_OSRELDATE }, release = 0;
	size_t n = sizeof(release);
	long id = sys(SYS_shmget, IPC_PRIVATE, PAGE_SIZE, IPC_CREAT | 0600);
	const int flags[] = { 0, 010000, 020000, 030000, 040000, 050000, 060000, 070000 };

	if (id == -ENOSYS)
		SKIP("this kernel has no System V IPC");
	CHECK_EQ(sys(SYS___sysctl, mib, 2, &release, &n, NULL, 0), 0);
	char *p = (char *)CHECK_OK(sys(SYS_shmat, id, NULL, 0));
	p[0] = 's';
	for (u64 i = 0; i < nitems(flags); i++) {
		char *room = guest_map(2 * PAGE_SIZE);
		long got = sys(SYS_shmat, id, room, flags[i]);

		if ((flags[i] & 040000) == 0 && (release >= 1500000 || flags[i] == 0)) {
			CHECK_ERR(got, ENOMEM);
			CHECK_EQ(room[0], 0);
			continue;
		}
		CHECK_EQ(got, room);
		CHECK_EQ(room[0], 's');
		/* Read-only where it says so. */
		CHECK_EQ(sys(SYS_read, CHECK_OK(sys(SYS_open, "/dev/zero", O_RDONLY)), room, 1),
		    (flags[i] & SHM_RDONLY) ? -EFAULT : 1);
		p[0] = 's';
		CHECK_EQ(sys(SYS_shmdt, room), 0);
	}
	CHECK_ERR(sys(SYS_shmat, id, guest_map(PAGE_SIZE) + 5, 040000), EINVAL);
	CHECK_EQ(sys(SYS_shmctl, id, IPC_RMID, NULL), 0);
}

TEST(keys)
{
	long id = sys(SYS_shmget, 0x4c534601, PAGE_SIZE, IPC_CREAT | IPC_EXCL | 0600);

	if (id == -ENOSYS)
		SKIP("this kernel has no System V IPC");
	if (id == -EEXIST)
		SKIP("another run holds the key");
	CHECK_OK(id);
	CHECK_EQ(sys(SYS_shmget, 0x4c534601, PAGE_SIZE, 0), id);
	CHECK_ERR(sys(SYS_shmget, 0x4c534601, PAGE_SIZE, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	struct shmid_ds ds;
	CHECK_EQ(sys(SYS_shmctl, id, IPC_STAT, &ds), 0);
	CHECK_EQ(ds.shm_perm.key, 0x4c534601);
	CHECK_EQ(sys(SYS_shmctl, id, IPC_RMID, NULL), 0);
}

static volatile int woken;

static void
note(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	woken++;
}

TEST(semaphores)
{
	union { int val; void *pointer; u64 word; } un;
	struct semid_ds ds;
	unsigned short values[3] = { 5, 6, 7 }, back[3];
	struct sembuf op = { 1, -6, 0 };
	long id = sys(SYS_semget, IPC_PRIVATE, 3, IPC_CREAT | 0600);

	if (id == -ENOSYS)
		SKIP("this kernel has no System V IPC");
	CHECK_OK(id);
	un.pointer = values;
	CHECK_EQ(sys(SYS___semctl, id, 0, SETALL, &un), 0);
	un.pointer = back;
	CHECK_EQ(sys(SYS___semctl, id, 0, GETALL, &un), 0);
	CHECK(back[0] == 5 && back[1] == 6 && back[2] == 7);
	CHECK_EQ(sys(SYS___semctl, id, 2, GETVAL, NULL), 7);
	CHECK_EQ(sys(SYS_semop, id, &op, 1), 0);
	CHECK_EQ(sys(SYS___semctl, id, 1, GETVAL, NULL), 0);
	CHECK_EQ(sys(SYS___semctl, id, 1, GETPID, NULL), sys(SYS_getpid));
	op.sem_op = -1, op.sem_flg = IPC_NOWAIT;
	CHECK_ERR(sys(SYS_semop, id, &op, 1), EAGAIN);
	/* Waits for another process. */
	int pid = guest_fork();
	if (pid == 0) {
		op.sem_flg = 0;
		guest_exit(sys(SYS_semop, id, &op, 1) == 0 ? 0 : 1);
	}
	for (int i = 0; i < 500 && sys(SYS___semctl, id, 1, GETNCNT, NULL) != 1; i++)
		guest_sleep_ms(2);
	CHECK_EQ(sys(SYS___semctl, id, 1, GETNCNT, NULL), 1);
	CHECK_EQ(sys(SYS___semctl, id, 1, GETZCNT, NULL), 0);
	un.word = 0xaaaaaaaa00000001;
	CHECK_EQ(sys(SYS___semctl, id, 1, SETVAL, &un), 0);
	CHECK_EQ(guest_wait(pid), 0);
	/* A handler ends the wait, SA_RESTART or not. */
	struct itimerval soon = { { 0, 0 }, { 0, 30000 } };
	guest_handle(SIGALRM, note, SA_RESTART);
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
	op.sem_flg = 0;
	CHECK_ERR(sys(SYS_semop, id, &op, 1), EINTR);
	CHECK_EQ(woken, 1);
	/* What a process took with SEM_UNDO comes back when it ends. */
	IN_CHILD({
		struct sembuf undo = { 0, -5, SEM_UNDO };
		CHECK_EQ(sys(SYS_semop, id, &undo, 1), 0);
	});
	CHECK_EQ(sys(SYS___semctl, id, 0, GETVAL, NULL), 5);
	un.pointer = &ds;
	CHECK_EQ(sys(SYS___semctl, id, 0, IPC_STAT, &un), 0);
	CHECK_EQ(ds.sem_nsems, 3);
	OWNER_MODE(ds.sem_perm);
	CHECK_ERR(sys(SYS___semctl, id, 0, 99, NULL), EINVAL);
	CHECK_ERR(sys(SYS___semctl, id, 0, SEM_INFO, &un), EINVAL);
	/* SEM_STAT takes an index and says whose it is. */
	int index = 0;
	while (index < 0x8000 && sys(SYS___semctl, index, 0, SEM_STAT, &un) != id)
		index++;
	CHECK_EQ(sys(SYS___semctl, index, 0, SEM_STAT, &un), id);
	CHECK_EQ(ds.sem_nsems, 3);
	CHECK_ERR(sys(SYS___semctl, -1, 0, SEM_STAT, &un), EINVAL);
	CHECK_ERR(sys(SYS___semctl, index, 0, SEM_STAT, 8), EFAULT);
	CHECK_ERR(sys(SYS___semctl, id, 0, GETALL, 8), EFAULT);
	CHECK_EQ(sys(SYS___semctl, id, 0, IPC_RMID, NULL), 0);
	CHECK_ERR(sys(SYS___semctl, id, 0, GETVAL, NULL), EINVAL);
}

TEST(message_queues)
{
	struct { long type; char text[32]; } m = { 3, "three" };
	struct msqid_ds ds;
	long id = sys(SYS_msgget, IPC_PRIVATE, IPC_CREAT | 0600);

	if (id == -ENOSYS)
		SKIP("this kernel has no System V IPC");
	CHECK_OK(id);
	CHECK_EQ(sys(SYS_msgsnd, id, &m, 6, 0), 0);
	m.type = 9;
	memcpy(m.text, "nine", 5);
	CHECK_EQ(sys(SYS_msgsnd, id, &m, 5, 0), 0);
	CHECK_EQ(sys(SYS_msgctl, id, IPC_STAT, &ds), 0);
	CHECK_EQ(ds.msg_qnum, 2);
	CHECK_EQ(ds.msg_cbytes, 11);
	CHECK_EQ(ds.msg_lspid, sys(SYS_getpid));
	OWNER_MODE(ds.msg_perm);
	CHECK_EQ(sys(SYS_msgrcv, id, &m, sizeof(m.text), 9, 0), 5);
	CHECK_STR(m.text, "nine");
	CHECK_ERR(sys(SYS_msgrcv, id, &m, 2, 0, 0), E2BIG);
	CHECK_EQ(sys(SYS_msgrcv, id, &m, 2, 0, MSG_NOERROR), 2);
	CHECK_EQ(m.type, 3);
	CHECK_ERR(sys(SYS_msgrcv, id, &m, 2, 0, IPC_NOWAIT), ENOMSG);
	int pid = guest_fork();
	if (pid == 0)
		guest_exit(sys(SYS_msgrcv, id, &m, sizeof(m.text), 0, 0) == -EIDRM ? 0 : 1);
	guest_sleep_ms(50);
	CHECK_EQ(sys(SYS_msgctl, id, IPC_RMID, NULL), 0);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_ERR(sys(SYS_msgctl, id, IPC_STAT, &ds), EINVAL);
}

/* As programs of before FreeBSD 8 call it: ids of 16 bits in the structs. */

#define OLD_OWNER_MODE(perm, bits) do { \
	CHECK_EQ((perm).uid, sys(SYS_geteuid) & 0xffff); \
	CHECK_EQ((perm).cuid, sys(SYS_geteuid) & 0xffff); \
	CHECK_EQ((perm).mode & 0777, bits); \
} while (0)

TEST(old_shared_memory)
{
	struct shmid_ds_old ds;
	const int none[] = { SHM_LOCK, SHM_UNLOCK, IPC_INFO, SHM_STAT, SHM_INFO, 99 };
	long id = sys(SYS_shmget, IPC_PRIVATE, 3 * PAGE_SIZE, IPC_CREAT | 0600);

	if (id == -ENOSYS)
		SKIP("this kernel has no System V IPC");
	CHECK_OK(id);
	memset(&ds, 0xa5, sizeof(ds));
	CHECK_EQ(sys(SYS_freebsd7_shmctl, id, IPC_STAT, &ds), 0);
	CHECK_EQ(ds.shm_segsz, 3 * PAGE_SIZE);
	CHECK_EQ(ds.shm_nattch, 0);
	CHECK_EQ(ds.shm_cpid, sys(SYS_getpid));
	CHECK_EQ(ds.shm_perm.key, IPC_PRIVATE);
	CHECK(ds.shm_ctime > 1600000000);
	CHECK_EQ(ds.shm_internal, NULL);
	OLD_OWNER_MODE(ds.shm_perm, 0600);
	ds.shm_perm.mode = 0640;
	CHECK_EQ(sys(SYS_freebsd7_shmctl, id, IPC_SET, &ds), 0);
	CHECK_EQ(sys(SYS_freebsd7_shmctl, id, IPC_STAT, &ds), 0);
	OLD_OWNER_MODE(ds.shm_perm, 0640);
	CHECK_ERR(sys(SYS_freebsd7_shmctl, id, IPC_SET, 8), EFAULT);
	CHECK_ERR(sys(SYS_freebsd7_shmctl, id, IPC_STAT, 8), EFAULT);
	for (u64 i = 0; i < nitems(none); i++)
		CHECK_ERR(sys(SYS_freebsd7_shmctl, id, none[i], &ds), EINVAL);
	CHECK_EQ(sys(SYS_freebsd7_shmctl, id, IPC_RMID, NULL), 0);
	CHECK_ERR(sys(SYS_freebsd7_shmctl, id, IPC_STAT, &ds), EINVAL);
	/* Only i386 has the call that stands for all. */
	guest_handle(SIGSYS, note, 0);
	woken = 0;
	CHECK_ERR(sys(SYS_shmsys, 3, IPC_PRIVATE, PAGE_SIZE, IPC_CREAT | 0600), ENOSYS);
	CHECK_EQ(woken, 1);
}

TEST(old_semaphores)
{
	enum { CTL, GET, OP };
	union { int val; void *pointer; } un;
	struct semid_ds_old ds;
	struct sembuf op = { 1, -6, 0 };
	unsigned short values[3] = { 5, 6, 7 }, back[3];
	long id = sys(SYS_semsys, GET, IPC_PRIVATE, 3, IPC_CREAT | 0600);

	if (id == -ENOSYS)
		SKIP("this kernel has no System V IPC");
	CHECK_OK(id);
	un.pointer = values;
	CHECK_EQ(sys(SYS_semsys, CTL, id, 0, SETALL, &un), 0);
	un.pointer = back;
	CHECK_EQ(sys(SYS_semsys, CTL, id, 0, GETALL, &un), 0);
	CHECK(back[0] == 5 && back[1] == 6 && back[2] == 7);
	CHECK_EQ(sys(SYS_semsys, OP, id, &op, 1), 0);
	CHECK_EQ(sys(SYS_semsys, CTL, id, 1, GETVAL, NULL), 0);
	op.sem_op = -1, op.sem_flg = IPC_NOWAIT;
	CHECK_ERR(sys(SYS_semsys, OP, id, &op, 1), EAGAIN);
	/* A handler ends the wait, SA_RESTART or not. */
	struct itimerval soon = { { 0, 0 }, { 0, 30000 } };
	guest_handle(SIGALRM, note, SA_RESTART);
	woken = 0;
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
	op.sem_flg = 0;
	CHECK_ERR(sys(SYS_semsys, OP, id, &op, 1), EINTR);
	CHECK_EQ(woken, 1);
	memset(&ds, 0xa5, sizeof(ds));
	un.pointer = &ds;
	CHECK_EQ(sys(SYS_freebsd7___semctl, id, 0, IPC_STAT, &un), 0);
	CHECK_EQ(ds.sem_nsems, 3);
	CHECK(ds.sem_otime > 1600000000 && ds.sem_ctime > 1600000000);
	CHECK_EQ(ds.sem_pad1 | ds.sem_pad2 | ds.sem_pad3[3], 0);
	OLD_OWNER_MODE(ds.sem_perm, 0600);
	ds.sem_perm.mode = 0640;
	CHECK_EQ(sys(SYS_semsys, CTL, id, 0, IPC_SET, &un), 0);
	CHECK_EQ(sys(SYS_semsys, CTL, id, 0, IPC_STAT, &un), 0);
	OLD_OWNER_MODE(ds.sem_perm, 0640);
	CHECK_ERR(sys(SYS_semsys, CTL, id, 0, 99, NULL), EINVAL);
	CHECK_ERR(sys(SYS_semsys, CTL, id, 0, IPC_STAT, 8), EFAULT);
	un.pointer = (void *)8;
	CHECK_ERR(sys(SYS_semsys, CTL, id, 0, IPC_STAT, &un), EFAULT);
	CHECK_ERR(sys(SYS_semsys, CTL, id, 0, IPC_SET, &un), EFAULT);
	CHECK_EQ(sys(SYS_semsys, CTL, id, 0, IPC_RMID, NULL), 0);
	CHECK_ERR(sys(SYS_semsys, CTL, id, 0, GETVAL, NULL), EINVAL);
	CHECK_ERR(sys(SYS_semsys, OP + 1, id, 0, 0), EINVAL);
	CHECK_ERR(sys(SYS_semsys, -1, id, 0, 0), EINVAL);
}

TEST(old_message_queues)
{
	enum { CTL, GET, SND, RCV };
	struct { long type; char text[32]; } m = { 3, "three" };
	struct msqid_ds_old ds;
	long id = sys(SYS_msgsys, GET, IPC_PRIVATE, IPC_CREAT | 0600);

	if (id == -ENOSYS)
		SKIP("this kernel has no System V IPC");
	CHECK_OK(id);
	CHECK_EQ(sys(SYS_msgsys, SND, id, &m, 6, 0), 0);
	m.type = 1L << 40;
	memcpy(m.text, "nine", 5);
	CHECK_EQ(sys(SYS_msgsys, SND, id, &m, 5, 0), 0);
	memset(&ds, 0xa5, sizeof(ds));
	CHECK_EQ(sys(SYS_msgsys, CTL, id, IPC_STAT, &ds), 0);
	CHECK_EQ(ds.msg_qnum, 2);
	CHECK_EQ(ds.msg_cbytes, 11);
	CHECK_EQ(ds.msg_lspid, sys(SYS_getpid));
	CHECK_EQ(ds.msg_pad1 | ds.msg_pad2 | ds.msg_pad3 | ds.msg_pad4[3], 0);
	OLD_OWNER_MODE(ds.msg_perm, 0600);
	ds.msg_perm.mode = 0640;
	ds.msg_qbytes = 1000;
	CHECK_EQ(sys(SYS_freebsd7_msgctl, id, IPC_SET, &ds), 0);
	CHECK_EQ(sys(SYS_freebsd7_msgctl, id, IPC_STAT, &ds), 0);
	CHECK_EQ(ds.msg_qbytes, 1000);
	OLD_OWNER_MODE(ds.msg_perm, 0640);
	/* All six arguments arrive, in 64 bits. */
	CHECK_EQ(sys(SYS_msgsys, RCV, id, &m, sizeof(m.text), 1L << 40, 0), 5);
	CHECK_STR(m.text, "nine");
	CHECK_EQ(sys(SYS_msgsys, RCV, id, &m, 2, 0, MSG_NOERROR), 2);
	CHECK_EQ(m.type, 3);
	CHECK_ERR(sys(SYS_msgsys, RCV, id, &m, 2, 0, IPC_NOWAIT), ENOMSG);
	/* A handler ends it, with SA_RESTART too (kern_msgrcv). */
	struct itimerval soon = { { 0, 0 }, { 0, 30000 } };
	guest_handle(SIGALRM, note, 0);
	woken = 0;
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
	CHECK_ERR(sys(SYS_msgsys, RCV, id, &m, sizeof(m.text), 0, 0), EINTR);
	CHECK_EQ(woken, 1);
	guest_handle(SIGALRM, note, SA_RESTART);
	int pid = guest_fork();
	if (pid == 0) {
		m.type = 4;
		guest_sleep_ms(300);
		guest_exit(sys(SYS_msgsys, SND, id, &m, 3, 0) == 0 ? 0 : 1);
	}
	CHECK_EQ(sys(SYS_setitimer, ITIMER_REAL, &soon, NULL), 0);
	CHECK_ERR(sys(SYS_msgsys, RCV, id, &m, sizeof(m.text), 4, 0), EINTR);
	CHECK_EQ(woken, 2);
	CHECK_EQ(sys(SYS_msgsys, RCV, id, &m, sizeof(m.text), 4, 0), 3);
	CHECK_EQ(guest_wait(pid), 0);
	CHECK_ERR(sys(SYS_msgsys, CTL, id, 99, &ds), EINVAL);
	CHECK_ERR(sys(SYS_msgsys, CTL, id, IPC_SET, 8), EFAULT);
	CHECK_ERR(sys(SYS_msgsys, CTL, id, IPC_STAT, 8), EFAULT);
	CHECK_EQ(sys(SYS_msgsys, CTL, id, IPC_RMID, NULL), 0);
	CHECK_ERR(sys(SYS_msgsys, CTL, id, IPC_STAT, &ds), EINVAL);
	CHECK_ERR(sys(SYS_msgsys, RCV + 1, id, 0, 0), EINVAL);
	CHECK_ERR(sys(SYS_msgsys, -1, id, 0, 0), EINVAL);
}
