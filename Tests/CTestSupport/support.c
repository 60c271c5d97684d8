// SPDX-License-Identifier: Apache-2.0

#include "CTestSupport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <linux/veth.h>
#include <malloc.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

// The same number on every architecture but Alpha.
#ifndef __NR_io_uring_setup
#define __NR_io_uring_setup 425
#define __NR_io_uring_enter 426
#endif

int32_t test_open_direct(void) {
    return O_DIRECT;
}

int32_t test_epoll_add(int32_t set, int32_t file, uint32_t events, uint64_t data) {
    struct epoll_event event = { .events = events, .data.u64 = data };
    return epoll_ctl(set, EPOLL_CTL_ADD, file, &event) < 0 ? -errno : 0;
}

int32_t test_epoll_event_is(const void *event, uint32_t events, uint64_t data) {
    const struct epoll_event *expected = event;
    return expected->events == events && expected->data.u64 == data;
}

size_t test_epoll_event_size(void) {
    return sizeof(struct epoll_event);
}

size_t test_allocated_byte_count(void) {
#if __GLIBC__ > 2 || __GLIBC_MINOR__ >= 33
    struct mallinfo2 info = mallinfo2();
#else
    struct mallinfo info = mallinfo();
#endif
    return (size_t)info.uordblks + (size_t)info.hblkhd;
}

static int32_t answer_of(pid_t child) {
    if (child < 0)
        return -errno;
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -EFAULT;
}

int32_t test_child_maps(const void *address) {
    pid_t child = fork();
    if (child == 0) {
        unsigned char residency;
        void *page = (void *)((uintptr_t)address & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1));
        _exit(mincore(page, 1, &residency) == 0 ? 1 : errno == ENOMEM ? 0 : 2);
    }
    int32_t answer = answer_of(child);
    return answer == 2 ? -EINVAL : answer;
}

int32_t test_start_child(int32_t control) {
    pid_t child = fork();
    if (child == 0) {
        // No other test is to wait for the end of what this one has by chance.
        if (control > 0)
            syscall(SYS_close_range, 0, control - 1, 0);
        syscall(SYS_close_range, control + 1, ~0U, 0);
        unsigned char status = 0;
        _exit(read(control, &status, 1) == 1 ? status : 0);
    }
    return child < 0 ? -errno : child;
}

int32_t test_get_attribute(const char *path, const char *name, void *value, size_t count) {
    ssize_t found = getxattr(path, name, value, count);
    return found < 0 ? -errno : (int32_t)found;
}

int32_t test_fork(void) {
    pid_t child = fork();
    return child < 0 ? -errno : child;
}

int32_t test_wait_for_child(int32_t child) {
    return answer_of(child < 0 ? -1 : child);
}

int32_t test_child_submits(int32_t ring) {
    pid_t child = fork();
    if (child == 0) {
        long result = syscall(__NR_io_uring_enter, ring, 1, 0, 0, NULL, 8);
        _exit(result < 0 ? 100 + errno : (int)result);
    }
    int32_t answer = answer_of(child);
    return answer >= 100 ? 100 - answer : answer;
}

/// Has a system call fail from now on: all of them, or those with this argument.
static int32_t forbid(int number, int argument, uint32_t value, int32_t error) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(offsetof(struct seccomp_data, args) + 8 * (size_t)(argument < 0 ? 0 : argument))),
        BPF_JUMP(BPF_JMP | (argument < 0 ? BPF_JGE : BPF_JEQ) | BPF_K, value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : -errno;
}

int32_t test_forbid_rings(int32_t error) { return forbid(__NR_io_uring_setup, -1, 0, error); }

int32_t test_forbid_timed_waits(int32_t error) {
    // IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG
    return forbid(__NR_io_uring_enter, 3, 1 | 8, error);
}

int32_t test_forbid_cancelling(int32_t error) {
    // IORING_REGISTER_SYNC_CANCEL
    return forbid(__NR_io_uring_register, 1, 24, error);
}

static int32_t set_limit(int resource, uint64_t limit) {
    struct rlimit limits;
    if (getrlimit(resource, &limits) != 0)
        return -errno;
    limits.rlim_cur = limit;
    return setrlimit(resource, &limits) == 0 ? 0 : -errno;
}

int32_t test_limit_descriptors(uint64_t limit) { return set_limit(RLIMIT_NOFILE, limit); }

int32_t test_limit_addresses(uint64_t byte_count) { return set_limit(RLIMIT_AS, byte_count); }

int32_t test_limit_locked_memory(uint64_t limit) {
    int32_t status = set_limit(RLIMIT_MEMLOCK, limit);
    if (status != 0)
        return status;
    // The kernel does not count what a process with CAP_IPC_LOCK locks. 65534 is nobody.
    return geteuid() != 0 || setuid(65534) == 0 ? 0 : -errno;
}

int32_t test_memory_file(void) {
    int file = memfd_create("test", MFD_CLOEXEC);
    return file < 0 ? -errno : file;
}

int32_t test_listen(void) {
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0)
        return -errno;
    // A name of the family alone has the kernel choose one.
    sa_family_t name = AF_UNIX;
    if (bind(listener, (struct sockaddr *)&name, sizeof(name)) != 0 || listen(listener, 128) != 0) {
        int32_t error = errno;
        close(listener);
        return -error;
    }
    return listener;
}

int32_t test_connect(int32_t listener) {
    struct sockaddr_un name;
    socklen_t size = sizeof(name);
    if (getsockname(listener, (struct sockaddr *)&name, &size) != 0)
        return -errno;
    int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer < 0)
        return -errno;
    if (connect(peer, (struct sockaddr *)&name, size) != 0) {
        int32_t error = errno;
        close(peer);
        return -error;
    }
    return peer;
}

int32_t test_send(int32_t socket, const void *bytes, size_t count) {
    ssize_t sent = send(socket, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? -errno : (int32_t)sent;
}

// A request of rtnetlink(7) being put together.
struct netlink_request {
    struct nlmsghdr header;
    struct ifinfomsg link;
    char attributes[512];
};

static struct rtattr *begin_attribute(struct netlink_request *request, unsigned short type, const void *payload, size_t count) {
    struct rtattr *attribute = (struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH(count);
    if (count > 0)
        memcpy(RTA_DATA(attribute), payload, count);
    request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
    return attribute;
}

// Makes what was added since the attribute began its contents.
static void end_attribute(struct netlink_request *request, struct rtattr *attribute) {
    attribute->rta_len = (unsigned short)((char *)request + request->header.nlmsg_len - (char *)attribute);
}

static int32_t make_veth_pair(const char *name, const char *peer) {
    struct netlink_request request = {
        .header = {
            .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
            .nlmsg_type = RTM_NEWLINK,
            .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
        },
    };
    begin_attribute(&request, IFLA_IFNAME, name, strlen(name) + 1);
    struct rtattr *info = begin_attribute(&request, IFLA_LINKINFO, NULL, 0);
    begin_attribute(&request, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = begin_attribute(&request, IFLA_INFO_DATA, NULL, 0);
    struct ifinfomsg nobody = {0};
    struct rtattr *other = begin_attribute(&request, VETH_INFO_PEER, &nobody, sizeof(nobody));
    begin_attribute(&request, IFLA_IFNAME, peer, strlen(peer) + 1);
    end_attribute(&request, other);
    end_attribute(&request, data);
    end_attribute(&request, info);

    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (netlink < 0)
        return -errno;
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char request[sizeof(struct netlink_request)];
    } answer;
    int32_t result = 0;
    if (send(netlink, &request, request.header.nlmsg_len, 0) < 0 || recv(netlink, &answer, sizeof(answer), 0) < 0)
        result = -errno;
    else
        result = answer.header.nlmsg_type == NLMSG_ERROR ? answer.error.error : -EPROTO;
    close(netlink);
    return result;
}

static int32_t set_up(int probe, const char *name, short flags) {
    struct ifreq request = {0};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_UP | flags;
    return ioctl(probe, SIOCSIFFLAGS, &request) == 0 ? 0 : -errno;
}

int32_t test_enter_network(void) {
    if (unshare(CLONE_NEWNET) != 0)
        return -errno;
    int32_t result = make_veth_pair("near", "far");
    if (result != 0)
        return result;
    int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return -errno;
    struct ifreq request = {.ifr_name = "near"};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(0x0a4d0001)}};
    memcpy(&request.ifr_addr, &address, sizeof(address));
    if (ioctl(probe, SIOCSIFADDR, &request) != 0)
        result = -errno;
    // Without ARP every datagram leaves with the sender's own hardware address: it arrives at the other end, and nobody takes it.
    if (result == 0)
        result = set_up(probe, "near", IFF_NOARP);
    if (result == 0)
        result = set_up(probe, "far", 0);
    close(probe);
    return result;
}

int32_t test_thread_number(void) {
    return (int32_t)syscall(SYS_gettid);
}

int32_t test_bind_thread(int32_t place) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return -errno;
    for (int32_t processor = 0; processor < CPU_SETSIZE; processor++) {
        if (!CPU_ISSET(processor, &allowed) || place-- > 0)
            continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(processor, &one);
        return sched_setaffinity(0, sizeof(one), &one) == 0 ? processor : -errno;
    }
    return -ERANGE;
}

int64_t test_unwritten_pages(int32_t file, uint64_t offset, uint64_t byte_count) {
    // Linux 6.5; too new for the headers.
    enum { number_of_cachestat = 451 };
    struct {
        uint64_t offset, byte_count;
    } range = {offset, byte_count};
    struct {
        uint64_t cached, dirty, writing, evicted, recently_evicted;
    } pages;
    if (syscall(number_of_cachestat, file, &range, &pages, 0) != 0)
        return -errno;
    return (int64_t)(pages.dirty + pages.writing);
}

int32_t test_open_terminal(int32_t side) {
    int locked = 0;
    if (ioctl(side, TIOCSPTLCK, &locked) != 0)
        return -errno;
    int other = ioctl(side, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return other >= 0 ? other : -errno;
}
