// SPDX-License-Identifier: Apache-2.0
// Which errors of a connected datagram socket are about the way to the peer, and say nothing of the next packet.

#include "CTunnel.h"

#include <errno.h>

bool tunnel_is_network_error(int error) {
    switch (error) {
    // What Linux makes of ICMP messages: icmp_err_convert in net/ipv4/icmp.c, and icmpv6_err_convert in net/ipv6/icmp.c.
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EMSGSIZE:
    case EPROTO:
    case EACCES:
        return true;
    default:
        return false;
    }
}
