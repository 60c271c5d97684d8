// SPDX-License-Identifier: Apache-2.0
// What the tunnel asks Linux for that Swift cannot without unsafe code, and the loops to compare with. Functions that return an `int` return
// a negated error number when they fail.

#ifndef CTUNNEL_H
#define CTUNNEL_H

#include <stdbool.h>
#include <stdint.h>

/// Moves the calling thread into a new network namespace, which ends with the process. Sockets that are open stay where they were made.
int tunnel_enter_new_network(void);

/// Makes a TUN device, which ends with the descriptor, and returns the number in its name, "tun" and the number.
///
/// - Parameter descriptor: /dev/net/tun, opened for reading and writing.
int tunnel_make_device(int descriptor);

/// Gives a TUN device the addresses of its two ends and the size of its packets, and brings it up.
///
/// - Parameters:
///   - number: The number in its name.
///   - own: The IPv4 address of this end, with the first byte as the highest.
///   - peer: The IPv4 address of the other end.
///   - packet_bytes: How large a packet may be.
int tunnel_configure_device(int number, uint32_t own, uint32_t peer, int packet_bytes);

/// Whether an error of a connected datagram socket is only what the network reported of a packet that was sent before, as ICMP does: nobody
/// listens at the peer yet, a router has no way there, a packet is too large for the way. It may be over when the next one is sent.
bool tunnel_is_network_error(int error);

/// What a loop did.
typedef struct tunnel_report {
    long long sent_packets;
    long long sent_bytes;
    long long received_packets;
    long long received_bytes;
    /// Packets that could not be passed on.
    long long failed;
    /// Errors that the network reported to the socket.
    long long network_errors;
    /// System calls, and those of them that found nothing.
    long long calls;
    long long found_nothing;
    /// The error number that ended the loop, or 0 when the stop descriptor did.
    int error;
} tunnel_report;

/// Passes packets between a device and a connected datagram socket with epoll and one thread, until a descriptor becomes readable.
///
/// - Parameters:
///   - device: The TUN device, which does not block.
///   - socket: The socket, which is made not to block.
///   - stop: The descriptor that becomes readable when the loop is to end.
tunnel_report tunnel_run_epoll(int device, int socket, int stop);

/// Does the same with liburing, as the loop in Swift does it.
///
/// - Parameters:
///   - device: The TUN device.
///   - socket: The socket.
///   - stop: The descriptor that becomes readable when the loop is to end.
///   - entries: How many operations the ring takes at once.
///   - buffer_count: How many packets there is room for: a power of two.
///   - packet_bytes: How large a packet may be.
tunnel_report tunnel_run_liburing(int device, int socket, int stop, unsigned entries, unsigned buffer_count, unsigned packet_bytes);

#endif
