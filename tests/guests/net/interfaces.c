/* Network interfaces: the sysctl net.route and the requests of ioctl(2). */
#include "guest.h"
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/sockio.h>
#include <net/if.h>
#include <net/if_dl.h>
#include <net/if_types.h>
#include <net/route.h>
#include <netinet/in.h>
#include <netinet6/in6_var.h>
#include <netinet6/nd6.h>

#define PADDED(sa) (((sa)->sa_len + 7) & ~7)

/* Walks a list of interfaces and looks for the loopback and its address 127.0.0.1. */
static void
walk(int operation, size_t link_header, size_t address_header)
{
	int name[6] = { CTL_NET, PF_ROUTE, 0, 0, operation, 0 }, loopback = -1, address = 0;
	size_t size = 0;

	CHECK_EQ(sys(SYS___sysctl, name, 6, NULL, &size, NULL, 0), 0);
	CHECK(size > 100);
	size += 4096;
	char *list = guest_map(size), *end;
	CHECK_EQ(sys(SYS___sysctl, name, 6, list, &size, NULL, 0), 0);
	end = list + size;
	for (char *at = list; at < end;) {
		struct if_msghdr *m = (struct if_msghdr *)at;
		CHECK_EQ(m->ifm_version, RTM_VERSION);
		CHECK(m->ifm_msglen > 0 && at + m->ifm_msglen <= end);
		if (m->ifm_type == RTM_IFINFO) {
			struct sockaddr_dl *dl = (struct sockaddr_dl *)(at + link_header);
			CHECK_EQ(m->ifm_addrs, RTA_IFP);
			CHECK_EQ(dl->sdl_family, AF_LINK);
			CHECK_EQ(dl->sdl_index, m->ifm_index);
			CHECK(dl->sdl_nlen > 0 && dl->sdl_nlen < IFNAMSIZ);
			CHECK_EQ(m->ifm_msglen, link_header + dl->sdl_len);
			if (dl->sdl_type == IFT_LOOP) {
				CHECK_EQ(m->ifm_flags & IFF_LOOPBACK, IFF_LOOPBACK);
				CHECK_EQ(dl->sdl_nlen, 3);
				CHECK_EQ(memcmp(dl->sdl_data, "lo0", 3), 0);
				loopback = m->ifm_index;
			}
		} else {
			struct ifa_msghdr *a = (struct ifa_msghdr *)at;
			struct sockaddr *mask = (struct sockaddr *)(at + address_header);
			struct sockaddr *own = (struct sockaddr *)((char *)mask + PADDED(mask));
			CHECK_EQ(a->ifam_type, RTM_NEWADDR);
			CHECK_EQ(a->ifam_addrs & (RTA_NETMASK | RTA_IFA), RTA_NETMASK | RTA_IFA);
			CHECK(own->sa_family == AF_INET || own->sa_family == AF_INET6);
			if (own->sa_family == AF_INET && a->ifam_index == loopback) {
				CHECK_EQ(((struct sockaddr_in *)own)->sin_addr.s_addr, 0x0100007f);
				CHECK_EQ(((struct sockaddr_in *)mask)->sin_addr.s_addr, 0xff);
				address = 1;
			}
		}
		at += m->ifm_msglen;
	}
	CHECK(loopback > 0);
	CHECK(address);
	/* Too small a buffer. */
	size = 50;
	CHECK_ERR(sys(SYS___sysctl, name, 6, list, &size, NULL, 0), ENOMEM);
	/* There is nothing of a kind that nobody knows (sysctl_rtsock). */
	name[4] = 99;
	size = 50;
	CHECK_EQ(sys(SYS___sysctl, name, 6, list, &size, NULL, 0), 0);
	CHECK_EQ(size, 0);
	CHECK_ERR(sys(SYS___sysctl, name, 5, list, &size, NULL, 0), EISDIR);
	CHECK_ERR(sys(SYS___sysctl, name, 4, list, &size, NULL, 0), EINVAL);
	CHECK_ERR(sys(SYS___sysctl, name, 7, list, &size, NULL, 0), ENOTDIR);
}

TEST(list)
{
	walk(NET_RT_IFLIST, sizeof(struct if_msghdr), sizeof(struct ifa_msghdr));
}

TEST(long_list)
{
	walk(NET_RT_IFLISTL, sizeof(struct if_msghdrl), sizeof(struct ifa_msghdrl));
}

/* All addresses, those of the link first, each as long as it is (ifconf in sys/net/if.c). */
TEST(requests)
{
	u8 list[8192];
	struct ifconf conf = { sizeof(list), { (void *)list } };
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0)), links = 0, found = 0, whole, first = 0;
	struct ifreq one;

	CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFCONF, &conf), 0);
	whole = conf.ifc_len;
	for (int at = 0; at < whole;) {
		struct ifreq *r = (struct ifreq *)(list + at);
		int size = r->ifr_addr.sa_len > 16 ? r->ifr_addr.sa_len : 16;

		CHECK(at + IFNAMSIZ + size <= whole);
		if (at == 0)
			first = IFNAMSIZ + size;
		if (r->ifr_addr.sa_family == AF_LINK) {
			struct sockaddr_dl *dl = (struct sockaddr_dl *)&r->ifr_addr;

			CHECK_EQ(dl->sdl_nlen, strlen(r->ifr_name));
			CHECK_EQ(memcmp(dl->sdl_data, r->ifr_name, dl->sdl_nlen), 0);
			links++;
		} else if (r->ifr_addr.sa_family == AF_INET) {
			CHECK_EQ(r->ifr_addr.sa_len, 16);
			CHECK(links > 0);
		} else {
			CHECK_EQ(r->ifr_addr.sa_family, AF_INET6);
			CHECK_EQ(r->ifr_addr.sa_len, 28);
		}
		if (memcmp(r->ifr_name, "lo0", 4) == 0 && r->ifr_addr.sa_family == AF_INET) {
			CHECK_EQ(((struct sockaddr_in *)&r->ifr_addr)->sin_addr.s_addr, 0x0100007f);
			found = 1;
		}
		at += IFNAMSIZ + size;
	}
	CHECK(links > 0);
	CHECK(found);
	/* As many whole entries as fit. */
	conf.ifc_len = first + 20;
	CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFCONF, &conf), 0);
	CHECK_EQ(conf.ifc_len, first);
	conf.ifc_len = 0;
	CHECK_ERR(sys(SYS_ioctl, s, SIOCGIFCONF, &conf), EINVAL);
	conf.ifc_len = sizeof(list);
	CHECK_ERR(sys(SYS_ioctl, CHECK_OK(sys(SYS_open, "/", O_RDONLY)), SIOCGIFCONF, &conf), ENOTTY);
	memset(&one, 0, sizeof(one));
	memcpy(one.ifr_name, "nothing", 8);
	CHECK_ERR(sys(SYS_ioctl, s, SIOCGIFMTU, &one), ENXIO);
	CHECK_ERR(sys(SYS_ioctl, CHECK_OK(sys(SYS_open, "/", O_RDONLY)), SIOCGIFMTU, &one), ENOTTY);
}

/* if_getgroup, if_getgroupmembers: who asks with no length is told it. */
TEST(interface_groups)
{
	struct ifg_req list[64];
	struct ifgroupreq r = { .ifgr_name = "lo0" };
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0)), found = 0;

	CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFGROUP, &r), 0);
	CHECK_EQ(r.ifgr_len, 2 * sizeof(list[0]));
	r.ifgr_groups = list;
	CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFGROUP, &r), 0);
	CHECK_EQ(memcmp(list[0].ifgrq_group, "all", 4), 0);
	CHECK_EQ(memcmp(list[1].ifgrq_group, "lo", 3), 0);
	r.ifgr_len = sizeof(list[0]);
	CHECK_ERR(sys(SYS_ioctl, s, SIOCGIFGROUP, &r), EINVAL);
	r.ifgr_len = sizeof(list);
	r.ifgr_groups = (void *)8;
	CHECK_ERR(sys(SYS_ioctl, s, SIOCGIFGROUP, &r), EFAULT);
	memcpy(r.ifgr_name, "nothing", 8);
	CHECK_ERR(sys(SYS_ioctl, s, SIOCGIFGROUP, &r), ENXIO);
	CHECK_ERR(sys(SYS_ioctl, s, SIOCGIFGMEMB, &r), ENOENT);
	for (int all = 0; all < 2; all++) {
		memset(&r, 0, sizeof(r));
		memcpy(r.ifgr_name, all ? "all" : "lo\0", 4);
		CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFGMEMB, &r), 0);
		CHECK(r.ifgr_len >= sizeof(list[0]) && r.ifgr_len <= sizeof(list) && r.ifgr_len % sizeof(list[0]) == 0);
		r.ifgr_groups = list;
		CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFGMEMB, &r), 0);
		found = 0;
		for (unsigned i = 0; i < r.ifgr_len / sizeof(list[0]); i++)
			found += memcmp(list[i].ifgrq_member, "lo0", 4) == 0;
		CHECK_EQ(found, 1);
	}
	CHECK_ERR(sys(SYS_ioctl, CHECK_OK(sys(SYS_open, "/", O_RDONLY)), SIOCGIFGMEMB, &r), ENOTTY);
}

/* The loopback is lo0, and Linux's name for it nothing. */
TEST(loopback)
{
	struct ifreq one;
	int s = (int)CHECK_OK(sys(SYS_socket, AF_UNIX, SOCK_DGRAM, 0)), up;

	memset(&one, 0, sizeof(one));
	memcpy(one.ifr_name, "lo0", 4);
	CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFFLAGS, &one), 0);
	CHECK_EQ(one.ifr_flags & IFF_LOOPBACK, IFF_LOOPBACK);
	CHECK_EQ(memcmp(one.ifr_name, "lo0", 4), 0);
	up = one.ifr_flags;	/* all of them: those that are not set again are taken away */
	CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFMTU, &one), 0);
	CHECK(one.ifr_mtu > 1000);
	CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFINDEX, &one), 0);
	CHECK(one.ifr_index > 0);
	int inet = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0));
	CHECK_EQ(sys(SYS_ioctl, inet, SIOCGIFNETMASK, &one), 0);
	CHECK_EQ(((struct sockaddr_in *)&one.ifr_addr)->sin_addr.s_addr, 0xff);
	memcpy(one.ifr_name, "lo\0", 4);
	CHECK_ERR(sys(SYS_ioctl, s, SIOCGIFFLAGS, &one), ENXIO);
	/* What may be set may be set as it is: nothing changes. */
	memset(&one, 0, sizeof(one));
	memcpy(one.ifr_name, "lo0", 4);
	one.ifr_flags = (short)up;
	long ret = sys(SYS_ioctl, s, SIOCSIFFLAGS, &one);
	CHECK(ret == 0 || ret == -EPERM);
	one.ifr_name[2] = '7';
	CHECK_ERR(sys(SYS_ioctl, s, SIOCSIFMTU, &one), sys(SYS_geteuid) == 0 ? ENXIO : EPERM);
}

/* What ifconfig(8) asks of IPv6 addresses. */
TEST(ipv6_requests)
{
	struct in6_ifreq r;
	struct in6_ndireq nd;
	int s = (int)sys(SYS_socket, AF_INET6, SOCK_DGRAM, 0);

	if (s == -EAFNOSUPPORT || s == -EPROTONOSUPPORT)
		SKIP("no IPv6 here");
	CHECK_OK(s);
	memset(&r, 0, sizeof(r));
	memcpy(r.ifr_name, "lo0", 4);
	r.ifr_addr.sin6_len = sizeof(r.ifr_addr);
	r.ifr_addr.sin6_family = AF_INET6;
	r.ifr_addr.sin6_addr.s6_addr[15] = 1;
	long ret = sys(SYS_ioctl, s, SIOCGIFAFLAG_IN6, &r);
	if (ret == -EADDRNOTAVAIL || ret == -ENXIO)
		SKIP("no ::1 on lo0 here");
	CHECK_EQ(ret, 0);
	CHECK_EQ(r.ifr_ifru.ifru_flags6, 0);
	r.ifr_addr.sin6_addr.s6_addr[0] = 0x20;
	CHECK_ERR(sys(SYS_ioctl, s, SIOCGIFAFLAG_IN6, &r), EADDRNOTAVAIL);
	memset(&r.ifr_ifru, 0, sizeof(r.ifr_ifru));
	r.ifr_addr.sin6_len = sizeof(r.ifr_addr);
	r.ifr_addr.sin6_family = AF_INET6;
	r.ifr_addr.sin6_addr.s6_addr[15] = 1;
	CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFALIFETIME_IN6, &r), 0);
	CHECK_EQ(r.ifr_ifru.ifru_lifetime.ia6t_vltime, 0xffffffff);
	CHECK_EQ(r.ifr_ifru.ifru_lifetime.ia6t_expire, 0);
	memset(&nd, 0x55, sizeof(nd));
	memcpy(nd.ifname, "lo0", 4);
	CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFINFO_IN6, &nd), 0);
	CHECK(nd.ndi.linkmtu >= 1280 || nd.ndi.linkmtu == 0);	/* 0: as the interface has it */
	CHECK_EQ(nd.ndi.chlim, 64);
	CHECK_EQ(nd.ndi.flags & ND6_IFF_PERFORMNUD, ND6_IFF_PERFORMNUD);
	struct in6_nbrinfo nb;
	memset(&nb, 0, sizeof(nb));
	memcpy(nb.ifname, "lo0", 4);
	nb.addr.s6_addr[0] = 0x20;	/* nobody's */
	CHECK_ERR(sys(SYS_ioctl, s, SIOCGNBRINFO_IN6, &nb), EINVAL);
	memcpy(nb.ifname, "nothing", 8);
	CHECK_ERR(sys(SYS_ioctl, s, SIOCGNBRINFO_IN6, &nb), ENXIO);
	struct in6_ndifreq defaults = { "lo0", 77 };
	CHECK_EQ(sys(SYS_ioctl, s, SIOCGDEFIFACE_IN6, &defaults), 0);
	CHECK_EQ(defaults.ifindex, 0);
	memcpy(nd.ifname, "nothing", 8);
	CHECK_ERR(sys(SYS_ioctl, s, SIOCGIFINFO_IN6, &nd), ENXIO);
}

/* Every machine with an IPv4 loopback listens to all hosts (224.0.0.1). */
TEST(groups)
{
	int name[6] = { CTL_NET, PF_ROUTE, 0, AF_INET, NET_RT_IFMALIST, 0 }, all_hosts = 0;
	size_t size = 0;

	CHECK_EQ(sys(SYS___sysctl, name, 6, NULL, &size, NULL, 0), 0);
	if (size == 0)
		SKIP("no multicast here");
	size += 4096;
	char *list = guest_map(size), *end;
	CHECK_EQ(sys(SYS___sysctl, name, 6, list, &size, NULL, 0), 0);
	end = list + size;
	for (char *at = list; at < end; at += ((struct ifma_msghdr *)at)->ifmam_msglen) {
		struct ifma_msghdr *m = (struct ifma_msghdr *)at;
		struct sockaddr_dl *dl = (struct sockaddr_dl *)(m + 1);
		struct sockaddr_in *in = (struct sockaddr_in *)((char *)dl + ((dl->sdl_len + 7) & ~7));

		CHECK_EQ(m->ifmam_version, RTM_VERSION);
		CHECK_EQ(m->ifmam_type, RTM_NEWMADDR);
		CHECK_EQ(m->ifmam_addrs, RTA_IFP | RTA_IFA);
		CHECK_EQ(dl->sdl_family, AF_LINK);
		CHECK_EQ(dl->sdl_index, m->ifmam_index);
		CHECK(dl->sdl_nlen > 0);
		CHECK_EQ(in->sin_family, AF_INET);
		CHECK_EQ(m->ifmam_msglen, (char *)(in + 1) - at);
		CHECK_EQ(in->sin_addr.s_addr & 0xf0, 0xe0);
		all_hosts += in->sin_addr.s_addr == 0x010000e0;
	}
	CHECK(all_hosts > 0);
	name[5] = 99999;
	CHECK_EQ(sys(SYS___sysctl, name, 6, list, &size, NULL, 0), 0);
	CHECK_EQ(size, 0);
}

/* The routes: at least the one to this machine's own 127.0.0.1. */
TEST(routes)
{
	int name[7] = { CTL_NET, PF_ROUTE, 0, AF_INET, NET_RT_DUMP, 0, 0 }, own = 0;
	size_t size = 0, room;

	CHECK_EQ(sys(SYS___sysctl, name, 6, NULL, &size, NULL, 0), 0);
	size += 4096;
	room = size;
	char *list = guest_map(size), *end;
	CHECK_EQ(sys(SYS___sysctl, name, 7, list, &size, NULL, 0), 0);
	end = list + size;
	for (char *at = list; at < end; at += ((struct rt_msghdr *)at)->rtm_msglen) {
		struct rt_msghdr *m = (struct rt_msghdr *)at;
		struct sockaddr_in *to = (struct sockaddr_in *)(m + 1);
		struct sockaddr *by = (struct sockaddr *)(to + 1);

		CHECK_EQ(m->rtm_version, RTM_VERSION);
		CHECK_EQ(m->rtm_type, RTM_GET);
		CHECK_EQ(m->rtm_flags & RTF_UP, RTF_UP);
		CHECK_EQ(m->rtm_addrs & (RTA_DST | RTA_GATEWAY), RTA_DST | RTA_GATEWAY);
		CHECK_EQ((m->rtm_flags & RTF_HOST) == 0, (m->rtm_addrs & RTA_NETMASK) != 0);
		CHECK_EQ(to->sin_family, AF_INET);
		CHECK_EQ(by->sa_family, m->rtm_flags & RTF_GATEWAY ? AF_INET : AF_LINK);
		if (to->sin_addr.s_addr == 0x0100007f) {
			CHECK_EQ(m->rtm_flags & (RTF_HOST | RTF_GATEWAY), RTF_HOST);
			CHECK_EQ(((struct sockaddr_dl *)by)->sdl_index, m->rtm_index);
			CHECK(m->rtm_index > 0);
			own = 1;
		}
	}
	CHECK(own);
	/* Hosts alone; and neighbours, of which there need be none. */
	name[4] = NET_RT_FLAGS;
	name[5] = RTF_HOST;
	size = room;
	CHECK_EQ(sys(SYS___sysctl, name, 6, list, &size, NULL, 0), 0);
	for (char *at = list; at < list + size; at += ((struct rt_msghdr *)at)->rtm_msglen)
		CHECK_EQ(((struct rt_msghdr *)at)->rtm_flags & RTF_HOST, RTF_HOST);
	CHECK(size > 0);
	name[5] = RTF_LLDATA;
	size = room;
	CHECK_EQ(sys(SYS___sysctl, name, 6, list, &size, NULL, 0), 0);
	for (char *at = list; at < list + size; at += ((struct rt_msghdr *)at)->rtm_msglen)
		CHECK_EQ(((struct rt_msghdr *)at)->rtm_flags & RTF_LLDATA, RTF_LLDATA);
	/* 0 asks for neighbours, too, and they are of one family. */
	name[5] = 0;
	size = room;
	CHECK_EQ(sys(SYS___sysctl, name, 6, list, &size, NULL, 0), 0);
	for (char *at = list; at < list + size; at += ((struct rt_msghdr *)at)->rtm_msglen)
		CHECK_EQ(((struct rt_msghdr *)at)->rtm_flags & RTF_LLDATA, RTF_LLDATA);
	name[3] = 0;
	CHECK_ERR(sys(SYS___sysctl, name, 6, list, &size, NULL, 0), EINVAL);
	name[3] = AF_INET;
	name[4] = NET_RT_DUMP;
	name[6] = 1;		/* another FIB */
	CHECK_ERR(sys(SYS___sysctl, name, 7, list, &size, NULL, 0), EINVAL);
	name[3] = AF_LINK;
	CHECK_ERR(sys(SYS___sysctl, name, 6, list, &size, NULL, 0), EAFNOSUPPORT);
}
