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
	name[4] = 99;
	CHECK_ERR(sys(SYS___sysctl, name, 6, list, &size, NULL, 0), EINVAL);
}

TEST(list)
{
	walk(NET_RT_IFLIST, sizeof(struct if_msghdr), sizeof(struct ifa_msghdr));
}

TEST(long_list)
{
	walk(NET_RT_IFLISTL, sizeof(struct if_msghdrl), sizeof(struct ifa_msghdrl));
}

TEST(requests)
{
	struct ifreq r[8];
	struct ifconf conf = { sizeof(r), { (void *)r } };
	int s = (int)CHECK_OK(sys(SYS_socket, AF_INET, SOCK_DGRAM, 0)), found = 0;

	CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFCONF, &conf), 0);
	CHECK(conf.ifc_len >= (int)sizeof(r[0]));
	for (int i = 0; i < conf.ifc_len / (int)sizeof(r[0]); i++) {
		struct ifreq one;

		CHECK_EQ(r[i].ifr_addr.sa_family, AF_INET);
		CHECK_EQ(r[i].ifr_addr.sa_len, 16);
		memcpy(&one, &r[i], sizeof(one));
		CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFFLAGS, &one), 0);
		if (!(one.ifr_flags & IFF_LOOPBACK))
			continue;
		found = 1;
		CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFMTU, &one), 0);
		CHECK(one.ifr_mtu > 1000);
		CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFINDEX, &one), 0);
		CHECK(one.ifr_index > 0);
		CHECK_EQ(sys(SYS_ioctl, s, SIOCGIFNETMASK, &one), 0);
		CHECK_EQ(((struct sockaddr_in *)&one.ifr_addr)->sin_addr.s_addr, 0xff);
	}
	CHECK(found);
	memcpy(r[0].ifr_name, "nothing", 8);
	CHECK_ERR(sys(SYS_ioctl, s, SIOCGIFMTU, &r[0]), ENXIO);
	CHECK_ERR(sys(SYS_ioctl, CHECK_OK(sys(SYS_open, "/", O_RDONLY)), SIOCGIFMTU, &r[0]), ENOTTY);
}
