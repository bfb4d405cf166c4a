/*
 * What sysctl(3) lists of the network: queues of packets (netisr.c), interfaces (if_mib.c, ifmib(4)), counters (if_ether.c, igmp.c,
 * route.c) and next hops (route/nhop_ctl.c, rtsock.c).
 */
#include "guest.h"
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/if_dl.h>
#include <net/if_mib.h>
#include <net/if_types.h>
#include <net/netisr.h>
#include <net/route.h>
#include <net/route/nhop.h>
#include <netinet/in.h>

#define NH_TYPE_IPV4_ETHER_RSLV 1	/* the kernel's alone */
#define NH_TYPE_IPV4_ETHER_NHOP 2

static u8 room[65536];

static long
by_name(const char *name)
{
	size_t n = sizeof(room);

	memset(room, 0, 512);
	CHECK_EQ(sys(SYS___sysctlbyname, name, strlen(name), room, &n, NULL, 0), 0);
	return ((long)n);
}

static long
by_number(const int *numbers, u64 count)
{
	size_t n = sizeof(room);
	long ret = sys(SYS___sysctl, numbers, count, room, &n, NULL, 0);

	return (ret < 0 ? ret : (long)n);
}

TEST(queues)
{
	struct sysctl_netisr_proto *p = (struct sysctl_netisr_proto *)room;
	struct sysctl_netisr_workstream *s = (struct sysctl_netisr_workstream *)room;
	struct sysctl_netisr_work *w = (struct sysctl_netisr_work *)room;
	long n, protocols, streams, seen = 0;

	n = by_name("net.isr.proto");
	protocols = n / (long)sizeof(*p);
	CHECK(protocols > 0 && n % (long)sizeof(*p) == 0);
	for (long i = 0; i < protocols; i++) {
		CHECK_EQ(p[i].snp_version, sizeof(*p));
		CHECK(p[i].snp_qlimit > 0);
		if (p[i].snp_proto == NETISR_IP) {
			CHECK_EQ(memcmp(p[i].snp_name, "ip", 3), 0);
			CHECK_EQ(p[i].snp_policy, NETISR_POLICY_FLOW);
			CHECK_EQ(p[i].snp_dispatch, NETISR_DISPATCH_DEFAULT);
			seen |= 1;
		}
		if (p[i].snp_proto == NETISR_ETHER) {
			CHECK_EQ(memcmp(p[i].snp_name, "ether", 6), 0);
			CHECK_EQ(p[i].snp_dispatch, NETISR_DISPATCH_DIRECT);
			seen |= 2;
		}
	}
	CHECK_EQ(seen, 3);
	n = by_name("net.isr.workstream");
	streams = n / (long)sizeof(*s);
	CHECK(streams > 0 && n % (long)sizeof(*s) == 0);
	CHECK_EQ(s->snws_version, sizeof(*s));
	CHECK_EQ(s->snws_flags, NETISR_SNWS_FLAGS_INTR);
	n = by_name("net.isr.numthreads");
	CHECK_EQ(*(int *)room, streams);
	n = by_name("net.isr.work");
	CHECK_EQ(n, streams * protocols * (long)sizeof(*w));
	for (long i = 0; i < streams * protocols; i++) {
		CHECK_EQ(w[i].snw_version, sizeof(*w));
		CHECK(w[i].snw_handled <= w[i].snw_dispatched + w[i].snw_hybrid_dispatched + w[i].snw_queued);
	}
}

TEST(counters)
{
	CHECK_EQ(by_name("net.link.ether.arp.stats"), sizeof(struct arpstat));
	CHECK_EQ(by_name("net.route.stats"), 128);
	CHECK_EQ(by_name("net.inet.igmp.stats"), 168);
	CHECK_EQ(((u32 *)room)[0], 3);		/* IGPS_VERSION_3 */
	CHECK_EQ(((u32 *)room)[1], 168);
}

TEST(interfaces)
{
	int count[] = { CTL_NET, PF_LINK, NETLINK_GENERIC, IFMIB_SYSTEM, IFMIB_IFCOUNT };
	int row[] = { CTL_NET, PF_LINK, NETLINK_GENERIC, IFMIB_IFDATA, 0, IFDATA_GENERAL };
	struct ifmibdata *d = (struct ifmibdata *)room;
	int most, found = 0;

	CHECK_EQ(by_number(count, nitems(count)), 4);
	most = *(int *)room;
	CHECK(most > 0);
	for (row[4] = 1; row[4] <= most; row[4]++) {
		long n = by_number(row, nitems(row));

		if (n == -ENOENT)
			continue;		/* a number that nobody has */
		CHECK_EQ(n, sizeof(*d));
		if (d->ifmd_data.ifi_type != IFT_LOOP)
			continue;
		CHECK_EQ(memcmp(d->ifmd_name, "lo0", 4), 0);
		CHECK_EQ(d->ifmd_flags & IFF_LOOPBACK, IFF_LOOPBACK);
		CHECK(d->ifmd_data.ifi_mtu > 1000);
		row[5] = IFDATA_DRIVERNAME;
		CHECK_EQ(by_number(row, nitems(row)), 4);
		CHECK_EQ(memcmp(room, "lo0", 4), 0);
		row[5] = IFDATA_LINKSPECIFIC;
		CHECK_EQ(by_number(row, nitems(row)), 0);
		row[5] = 77;
		CHECK_EQ(by_number(row, nitems(row)), -ENOENT);
		row[5] = IFDATA_GENERAL;
		found++;
	}
	CHECK_EQ(found, 1);
	row[4] = 0;
	CHECK_EQ(by_number(row, nitems(row)), -ENOENT);
	row[4] = 1 << 20;
	CHECK_EQ(by_number(row, nitems(row)), -ENOENT);
	CHECK_EQ(by_number(row, nitems(row) - 1), -EINVAL);
}

TEST(next_hops)
{
	int name[] = { CTL_NET, PF_ROUTE, 0, AF_INET, NET_RT_NHOP, 0, 0 };
	long n, at = 0;
	int found = 0;
	u32 index = 0;

	n = by_number(name, nitems(name));
	CHECK(n > 0);
	while (at < n) {
		struct rt_msghdr *m = (struct rt_msghdr *)(room + at);
		struct nhop_external *e = (struct nhop_external *)(m + 1);
		struct nhop_addrs *a = (struct nhop_addrs *)(e + 1);
		struct sockaddr *gateway = (struct sockaddr *)((u8 *)a + a->gw_sa_off), *source = (struct sockaddr *)((u8 *)a + a->src_sa_off);

		CHECK_EQ(m->rtm_version, RTM_VERSION);
		CHECK_EQ(m->rtm_type, RTM_GET);
		CHECK_EQ(e->nh_len, sizeof(*e));
		CHECK_EQ(m->rtm_msglen, sizeof(*m) + sizeof(*e) + a->na_len);
		CHECK_EQ(a->src_sa_off, a->gw_sa_off + gateway->sa_len);
		CHECK_EQ(a->na_len, a->src_sa_off + source->sa_len);
		CHECK_EQ(e->nh_family, AF_INET);
		CHECK_EQ(e->nh_fib, 0);
		CHECK_EQ(e->nh_type, e->nh_flags & NHF_GATEWAY ? NH_TYPE_IPV4_ETHER_NHOP : NH_TYPE_IPV4_ETHER_RSLV);
		CHECK(e->nh_idx != index && e->nh_refcount > 0 && e->nh_mtu > 0);
		index = e->nh_idx;
		if (e->nh_flags & NHF_GATEWAY)
			CHECK_EQ(gateway->sa_family, AF_INET);
		else
			CHECK(gateway->sa_family == AF_LINK || gateway->sa_family == AF_INET);
		if (source->sa_family == AF_INET && ((struct sockaddr_in *)source)->sin_addr.s_addr == 0x0100007f &&
		    e->nh_flags & NHF_HOST) {
			CHECK_EQ(e->nh_flags & NHF_GATEWAY, 0);
			CHECK_EQ(m->rtm_flags & RTF_HOST, RTF_HOST);
			CHECK_EQ(gateway->sa_family, AF_LINK);
			CHECK_EQ(((struct sockaddr_dl *)gateway)->sdl_index, e->ifindex);
			found++;
		}
		at += m->rtm_msglen;
	}
	CHECK_EQ(at, n);
	CHECK(found > 0);
	name[3] = 0;			/* one family at a time */
	CHECK_EQ(by_number(name, nitems(name)), -EAFNOSUPPORT);
	name[3] = AF_INET;
	CHECK_EQ(by_number(name, nitems(name) - 1), -EINVAL);
	name[6] = 99;
	CHECK_EQ(by_number(name, nitems(name)), -EINVAL);
}
