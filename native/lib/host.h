// What this machine lets us do: privileges, kernel features, libraries, CPU. Nothing stays behind after a probe.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "status.h"

namespace trellis {

struct Credentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};

/** Who is at the other end of a connected Unix socket (SO_PEERCRED): as it was when it connected. */
Status peer_credentials(int fd, Credentials& out);

/**
 * Tells the service manager, e.g. `READY=1` (sd_notify(3)). `told` is false, without an error, when none listens (NOTIFY_SOCKET
 * unset). Names starting with `@` are abstract sockets.
 */
Status notify_service_manager(std::string_view message, bool& told);

/** A feature that a system call granted; `error` is 0 then, else the errno of the refusal. */
struct Probe {
  int error = 0;
  bool ok() const { return error == 0; }
};

struct HostFacts {
  uint64_t capabilities = 0;  // effective set of this thread, bit per CAP_*
  Probe tun_open;             // /dev/net/tun can be opened
  Probe tun_create;           // ... and a device made: asks for CAP_NET_ADMIN
  Probe tun_offload;          // checksum and TCP segmentation offload
  Probe tun_uso;              // UDP segmentation offload (kernel 6.2)
  Probe udp_segment;          // UDP_SEGMENT: one call for up to 64 datagrams (kernel 4.18)
  Probe udp_gro;              // UDP_GRO (kernel 5.0)
  Probe bpf;                  // a socket filter may be loaded
  std::string libcrypto;      // e.g. "OpenSSL 3.0.19 ..."
  std::string libbpf;         // e.g. "v1.1"; empty when it is not installed
  std::string ipsec_mb_lacks; // why libipsec-mb cannot be used; empty when it can, and where it is not made for the processor
  std::vector<std::string> cpu;
};

HostFacts probe_host();

}  // namespace trellis
