# Lists of sockets and open files: <sys/socketvar.h>, <netinet/in_pcb.h>, <netinet/tcp_var.h>, <sys/unpcb.h>, <sys/file.h>,
# as they are since FreeBSD 12.

cdef struct freebsd_xsockbuf:
    uint32_t sb_cc
    uint32_t sb_hiwat
    uint32_t sb_mbcnt
    uint32_t sb_spare0
    uint32_t sb_spare1
    uint32_t sb_mbmax
    int32_t sb_lowat
    int32_t sb_timeo
    int16_t sb_flags

cdef struct freebsd_xsocket:
    uint64_t xso_len
    uint64_t xso_so
    uint64_t so_pcb
    uint64_t so_oobmark
    uint64_t so_splice_so
    int64_t so_spare64[7]
    int32_t xso_protocol
    int32_t xso_family
    uint32_t so_qlen
    uint32_t so_incqlen
    uint32_t so_qlimit
    int32_t so_pgid
    uint32_t so_uid
    int32_t so_spare32[8]
    int16_t so_type
    int16_t so_options
    int16_t so_linger
    int16_t so_state
    int16_t so_timeo
    uint16_t so_error
    freebsd_xsockbuf so_rcv
    freebsd_xsockbuf so_snd

# inc_ie of struct in_conninfo is spelled out.
cdef struct freebsd_in_conninfo:
    uint8_t inc_flags
    uint8_t inc_len
    uint16_t inc_fibnum
    uint16_t ie_fport
    uint16_t ie_lport
    uint8_t ie_faddr[16]            # an IPv4 address is in the last 4
    uint8_t ie_laddr[16]
    uint32_t ie6_zoneid

cdef struct freebsd_xinpcb:
    uint64_t xi_len
    freebsd_xsocket xi_socket
    freebsd_in_conninfo inp_inc
    uint64_t inp_gencnt
    uint64_t inp_ppcb
    int64_t inp_spare64[4]
    uint32_t inp_flow
    uint32_t inp_flowid
    uint32_t inp_flowtype
    int32_t inp_flags
    int32_t inp_flags2
    uint32_t inp_unused
    int32_t in6p_cksum
    int32_t inp_spare32[4]
    uint16_t in6p_hops
    uint8_t inp_ip_tos
    int8_t pad8
    uint8_t inp_vflag
    uint8_t inp_ip_ttl
    uint8_t inp_ip_p
    uint8_t inp_ip_minttl
    int8_t inp_spare8[4]

cdef struct freebsd_xtcpcb:
    uint64_t xt_len
    freebsd_xinpcb xt_inp
    char xt_stack[32]
    char xt_logid[64]
    char xt_cc[16]
    int64_t spare64[6]
    int32_t t_state
    uint32_t t_flags
    int32_t t_sndzerowin
    int32_t t_sndrexmitpack
    int32_t t_rcvoopack
    int32_t t_rcvtime
    int32_t tt_rexmt
    int32_t tt_persist
    int32_t tt_keep
    int32_t tt_2msl
    int32_t tt_delack
    int32_t t_logstate
    uint32_t t_snd_cwnd
    uint32_t t_snd_ssthresh
    uint32_t t_maxseg
    uint32_t t_rcv_wnd
    uint32_t t_snd_wnd
    uint32_t xt_ecn
    uint32_t t_dsack_bytes
    uint32_t t_dsack_tlp_bytes
    uint32_t t_dsack_pack
    uint16_t xt_encaps_port
    int16_t spare16
    int32_t spare32[22]

cdef struct freebsd_xinpgen:
    uint64_t xig_len
    uint32_t xig_count
    uint32_t _xig_spare32
    uint64_t xig_gen
    uint64_t xig_sogen
    uint64_t _xig_spare64[4]

cdef struct freebsd_xunpcb:
    uint64_t xu_len
    uint64_t xu_unpp
    uint64_t unp_vnode
    uint64_t unp_conn
    uint64_t xu_firstref
    uint64_t xu_nextref
    uint64_t unp_gencnt
    int64_t xu_spare64[8]
    int32_t xu_spare32[8]
    char xu_dummy1[256]
    char xu_dummy2[256]
    freebsd_xsocket xu_socket

cdef struct freebsd_xunpgen:
    uint64_t xug_len
    uint32_t xug_count
    uint64_t xug_gen
    uint64_t xug_sogen

cdef struct freebsd_xfile:
    uint64_t xf_size
    int32_t xf_pid
    uint32_t xf_uid
    int32_t xf_fd
    int32_t _xf_int_pad1
    uint64_t xf_file
    int16_t xf_type
    int16_t _xf_short_pad1
    int32_t xf_count
    int32_t xf_msgcount
    int32_t _xf_int_pad2
    int64_t xf_offset
    uint64_t xf_data
    uint64_t xf_vnode
    uint32_t xf_flag
    int32_t _xf_int_pad3
    int64_t _xf_int64_pad[6]
