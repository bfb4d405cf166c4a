/* The lists of sockets and of open files: net.inet.*.pcblist, net.local.*.pcblist, kern.file. */
#include "guest.h"
#include <sys/poll.h>
#include <sys/param.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/socketvar.h>
#include <sys/sysctl.h>
#include <sys/un.h>
#include <sys/file.h>
#include <sys/unpcb.h>
#include <netinet/in.h>
#include <netinet/in_pcb.h>
#include <netinet/tcp.h>
#include <netinet/tcp_fsm.h>
#include <netinet/tcp_var.h>

static char *list;
static size_t list_size;

/* The whole list of a name; false where Linux does not tell it. */
static int
get(const char *name)
{
	size_t size = 0;

	CHECK_EQ(sys(SYS___sysctlbyname, name, strlen(name), NULL, &size, NULL, 0), 0);
	list_size = size + 65536;
	list = guest_map(list_size);
	CHECK_EQ(sys(SYS___sysctlbyname, name, strlen(name), list, &list_size, NULL, 0), 0);
	return (list_size > 0);
}

/* The handle of the socket that a descriptor of this process is open to: kern.file is how sockstat(1) finds it. */
static uint64_t
socket_of(int fd)
{
	int me = (int)sys(SYS_getpid);

	CHECK(get("kern.file"));
	for (struct xfile *f = (struct xfile *)list; (char *)f < list + list_size; f++) {
		CHECK_EQ(f->xf_size, sizeof(*f));
		if (f->xf_pid == me && f->xf_fd == fd) {
			CHECK_EQ(f->xf_type, DTYPE_SOCKET);
			CHECK_EQ(f->xf_uid, sys(SYS_geteuid));
			return (f->xf_data);
		}
	}
	CHECK(!"the descriptor is in the list");
	return (0);
}

static void
check_generation(const struct xinpgen *first, size_t records)
{
	const struct xinpgen *last = (struct xinpgen *)(list + list_size - sizeof(*last));

	CHECK_EQ(first->xig_len, sizeof(*first));
	CHECK_EQ(last->xig_len, sizeof(*last));
	CHECK_EQ(last->xig_gen, first->xig_gen);
	CHECK_EQ(first->xig_count, records);
}

static const struct xinpcb *
look_for(const char *name, uint64_t handle, int *state)
{
	const struct xinpcb *found = NULL;
	size_t records = 0, length;
	char *at;

	CHECK(get(name));
	for (at = list + sizeof(struct xinpgen); (length = *(size_t *)at) > sizeof(struct xinpgen); at += length) {
		const struct xtcpcb *tcp = (struct xtcpcb *)at;
		const struct xinpcb *inp = state != NULL ? &tcp->xt_inp : (struct xinpcb *)at;

		CHECK_EQ(length, state != NULL ? sizeof(*tcp) : sizeof(*inp));
		CHECK_EQ(inp->xi_len, sizeof(*inp));
		CHECK_EQ(inp->xi_socket.xso_len, sizeof(struct xsocket));
		records++;
		if (inp->xi_socket.xso_so == handle) {
			found = inp;
			if (state != NULL)
				*state = tcp->t_state;
		}
	}
	check_generation((struct xinpgen *)list, records);
	return (found);
}

/* Linux reads its table page by page: when others open and close sockets, one can be missed, and a state comes late. */
static const struct xinpcb *
find_inet(const char *name, uint64_t handle, int *state, int wanted)
{
	const struct xinpcb *found = NULL;

	for (int i = 0; i < 400; i++) {
		found = look_for(name, handle, state);
		if (found != NULL && (state == NULL || *state == wanted))
			return (found);
		guest_sleep_ms(10);
	}
	CHECK(found != NULL);
	CHECK_EQ(*state, wanted);
	return (found);
}

TEST(tcp)
{
	struct sockaddr_in address = { .sin_len = sizeof(address), .sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f };
	socklen_t length = sizeof(address);
	const struct xinpcb *p;
	int state = -1;

	int server = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	CHECK_EQ(sys(SYS_bind, server, &address, sizeof(address)), 0);
	CHECK_EQ(sys(SYS_listen, server, 5), 0);
	CHECK_EQ(sys(SYS_getsockname, server, &address, &length), 0);
	uint64_t handle = socket_of(server);
	p = find_inet("net.inet.tcp.pcblist", handle, &state, TCPS_LISTEN);
	CHECK_EQ(p->inp_vflag, INP_IPV4);
	CHECK_EQ(p->inp_inc.inc_lport, address.sin_port);
	CHECK_EQ(p->inp_inc.inc_fport, 0);
	CHECK_EQ(p->inp_inc.inc_laddr.s_addr, 0x0100007f);
	CHECK_EQ(p->xi_socket.so_type, SOCK_STREAM);
	CHECK_EQ(p->xi_socket.xso_protocol, IPPROTO_TCP);
	CHECK_EQ(p->xi_socket.xso_family, AF_INET);
	CHECK_EQ(p->xi_socket.so_options & SO_ACCEPTCONN, SO_ACCEPTCONN);
	CHECK_EQ(p->xi_socket.so_uid, sys(SYS_getuid));
	/* Of one that listens: how many wait, and may (sotoxsocket). */
	CHECK_EQ(p->xi_socket.so_qlimit, 5);
	CHECK_EQ(p->xi_socket.so_qlen, 0);
	int client = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_STREAM, 0));
	CHECK_EQ(sys(SYS_connect, client, &address, sizeof(address)), 0);
	CHECK_EQ(sys(SYS_write, client, "12345", 5), 5);
	p = find_inet("net.inet.tcp.pcblist", handle, &state, TCPS_LISTEN);
	CHECK_EQ(p->xi_socket.so_qlen, 1);
	CHECK_EQ(p->xi_socket.so_rcv.sb_cc, 0);
	int accepted = (int)CHECK_OK(sys(SYS_accept, server, NULL, NULL));
	struct pollfd arrives = { .fd = accepted, .events = POLLIN };
	CHECK_EQ(sys(SYS_poll, &arrives, 1, 5000), 1);
	handle = socket_of(accepted);
	p = find_inet("net.inet.tcp.pcblist", handle, &state, TCPS_ESTABLISHED);
	CHECK_EQ(p->inp_inc.inc_lport, address.sin_port);
	CHECK_EQ(p->inp_inc.inc_faddr.s_addr, 0x0100007f);
	CHECK(p->inp_inc.inc_fport != 0);
	CHECK_EQ(p->xi_socket.so_options & SO_ACCEPTCONN, 0);
	CHECK_EQ(p->xi_socket.so_rcv.sb_cc, 5);
	CHECK_EQ(sys(SYS_close, client), 0);
	find_inet("net.inet.tcp.pcblist", handle, &state, TCPS_CLOSE_WAIT);
}

TEST(udp)
{
	struct sockaddr_in6 address = { .sin6_len = sizeof(address), .sin6_family = AF_INET6 };
	socklen_t length = sizeof(address);
	const struct xinpcb *p;
	long fd = sys(SYS_socket, AF_INET6, SOCK_DGRAM, 0);

	if (fd == -EAFNOSUPPORT)
		SKIP("no IPv6 here");
	CHECK_OK(fd);
	address.sin6_addr.s6_addr[15] = 1;
	if (sys(SYS_bind, fd, &address, sizeof(address)) == -EADDRNOTAVAIL)
		SKIP("no ::1 here");
	CHECK_EQ(sys(SYS_getsockname, fd, &address, &length), 0);
	p = find_inet("net.inet.udp.pcblist", socket_of((int)fd), NULL, 0);
	CHECK_EQ(p->inp_vflag, INP_IPV6 | INP_IPV6PROTO);	/* in_pcballoc */
	CHECK_EQ(p->inp_inc.inc_lport, address.sin6_port);
	CHECK_EQ(memcmp(&p->inp_inc.inc6_laddr, &address.sin6_addr, 16), 0);
	CHECK_EQ(p->xi_socket.xso_protocol, IPPROTO_UDP);
	CHECK_EQ(p->xi_socket.xso_family, AF_INET6);
	CHECK_EQ(p->xi_socket.so_type, SOCK_DGRAM);
	CHECK_EQ(sys(SYS_close, fd), 0);
}

static int
find_local(uint64_t handle)
{
	struct xunpgen *first, *last;
	int found = 0;
	size_t records = 0;

	CHECK(get("net.local.stream.pcblist"));
	first = (struct xunpgen *)list;
	last = (struct xunpgen *)(list + list_size - sizeof(*last));
	CHECK_EQ(first->xug_len, sizeof(*first));
	CHECK_EQ(last->xug_len, sizeof(*last));
	for (struct xunpcb *p = (struct xunpcb *)(first + 1); (char *)p < (char *)last; p++) {
		CHECK_EQ(p->xu_len, sizeof(*p));
		CHECK_EQ(p->xu_socket.so_type, SOCK_STREAM);
		CHECK_EQ(p->xu_socket.xso_family, AF_UNIX);
		records++;
		if (p->xu_socket.xso_so != handle)
			continue;
		found = 1;
		CHECK_EQ(p->xu_addr.sun_family, AF_UNIX);
		CHECK_STR(p->xu_addr.sun_path, "here");
		CHECK_EQ(p->xu_addr.sun_len, sizeof(struct sockaddr_un));	/* as bound: unp_pcblist, uipc_bindat */
		CHECK_EQ(p->xu_socket.so_options & SO_ACCEPTCONN, SO_ACCEPTCONN);
		CHECK_EQ(p->xu_socket.so_qlimit, 5);
		CHECK_EQ(p->xu_socket.so_qlen, 1);
	}
	CHECK(first->xug_count >= records);	/* those of all kinds (unp_count) */
	return (found);
}

TEST(local)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "here" };
	int fd = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), found = 0;

	CHECK_EQ(sys(SYS_bind, fd, &address, sizeof(address)), 0);
	CHECK_EQ(sys(SYS_listen, fd, 5), 0);
	CHECK_EQ(sys(SYS_connect, CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0)), &address, sizeof(address)), 0);
	uint64_t handle = socket_of(fd);
	for (int i = 0; i < 400 && !found; i++)
		found = find_local(handle);
	CHECK(found);
	CHECK(get("net.local.dgram.pcblist"));
	CHECK(get("net.local.seqpacket.pcblist"));
	CHECK(get("net.inet.raw.pcblist"));
}

/* Descriptors that are no sockets, and LSF's own, which are not shown. */
TEST(files)
{
	int ends[2], file, seen = 0, me = (int)sys(SYS_getpid);

	CHECK_EQ(sys(SYS_pipe2, ends, 0), 0);
	file = (int)CHECK_OK(sys(SYS_open, "/", O_RDONLY));
	CHECK(get("kern.file"));
	for (struct xfile *f = (struct xfile *)list; (char *)f < list + list_size; f++) {
		CHECK_EQ(f->xf_size, sizeof(*f));
		if (f->xf_pid != me)
			continue;
		CHECK(f->xf_fd <= file);
		seen++;
		if (f->xf_fd == ends[0])
			CHECK_EQ(f->xf_type, DTYPE_PIPE);
		if (f->xf_fd == file) {
			CHECK_EQ(f->xf_type, DTYPE_VNODE);
			CHECK(f->xf_vnode != 0);
		}
	}
	CHECK(seen >= 3);
}

/* Who asks for the size is told one with room for ten sockets more, or an eighth: tcp_pcblist (sys/netinet/tcp_subr.c). */
TEST(room)
{
	static char list[4 << 20];
	static const char name[] = "net.inet.tcp.pcblist";
	size_t asked = 0, got = sizeof(list);

	/* Others may come in between, at times many. */
	for (int i = 0; i < 50 && asked < got + 5 * sizeof(struct xtcpcb); i++) {
		got = sizeof(list);
		CHECK_EQ(sys(SYS___sysctlbyname, name, sizeof(name) - 1, NULL, &asked, NULL, 0), 0);
		CHECK_EQ(sys(SYS___sysctlbyname, name, sizeof(name) - 1, list, &got, NULL, 0), 0);
	}
	CHECK(asked >= got + 5 * sizeof(struct xtcpcb));
	CHECK_EQ(sys(SYS___sysctlbyname, name, sizeof(name) - 1, list, &asked, NULL, 0), 0);
}
