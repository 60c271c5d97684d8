// SPDX-License-Identifier: Apache-2.0

#include "CTunnel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int tunnel_enter_new_network(void) {
    return unshare(CLONE_NEWNET) < 0 ? -errno : 0;
}

int tunnel_make_device(int descriptor) {
    // Without IFF_NO_PI there were four bytes in front of each packet. The kernel takes the first free number.
    struct ifreq request = { .ifr_name = "tun%d", .ifr_flags = IFF_TUN | IFF_NO_PI };
    if (ioctl(descriptor, TUNSETIFF, &request) < 0) return -errno;
    return atoi(request.ifr_name + strlen("tun"));
}

static struct ifreq request_for(int number) {
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "tun%d", number);
    return request;
}

static int set_address(int socket, int number, unsigned long what, uint32_t address) {
    struct ifreq request = request_for(number);
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(address) };
    memcpy(&request.ifr_addr, &in, sizeof in);
    return ioctl(socket, what, &request);
}

static int set_packet_size(int socket, int number, int packet_bytes) {
    struct ifreq request = request_for(number);
    request.ifr_mtu = packet_bytes;
    return ioctl(socket, SIOCSIFMTU, &request);
}

static int bring_up(int socket, int number) {
    struct ifreq request = request_for(number);
    if (ioctl(socket, SIOCGIFFLAGS, &request) < 0) return -1;
    request.ifr_flags |= IFF_UP;
    return ioctl(socket, SIOCSIFFLAGS, &request);
}

int tunnel_configure_device(int number, uint32_t own, uint32_t peer, int packet_bytes) {
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (any < 0) return -errno;
    int failed = set_address(any, number, SIOCSIFADDR, own) < 0
        || set_address(any, number, SIOCSIFDSTADDR, peer) < 0
        || set_address(any, number, SIOCSIFNETMASK, 0xffffffff) < 0
        || set_packet_size(any, number, packet_bytes) < 0
        || bring_up(any, number) < 0;
    int status = failed ? -errno : 0;
    close(any);
    return status;
}
