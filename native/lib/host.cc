#include "host.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "aead.h"
#include "libbpf.h"

// Newer than the headers of Debian 12.
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace trellis {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

Probe granted(bool ok) { return {ok ? 0 : errno}; }

uint64_t effective_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (syscall(SYS_capget, &header, data) != 0) return 0;
  return data[0].effective | (static_cast<uint64_t>(data[1].effective) << 32);
}

/** Makes a device for the blink of an eye: without the persist flag it goes with its descriptor. */
void probe_tun(HostFacts& facts) {
  const Descriptor tun(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  facts.tun_open = granted(tun.open());
  facts.tun_create = facts.tun_offload = facts.tun_uso = facts.tun_open;
  if (!tun.open()) return;
  ifreq request{};
  std::strncpy(request.ifr_name, "tr-probe%d", IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  facts.tun_create = granted(ioctl(tun.get(), TUNSETIFF, &request) == 0);
  facts.tun_offload = facts.tun_uso = facts.tun_create;
  if (!facts.tun_create.ok()) return;
  const unsigned long tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  facts.tun_offload = granted(ioctl(tun.get(), TUNSETOFFLOAD, tso) == 0);
  facts.tun_uso = granted(ioctl(tun.get(), TUNSETOFFLOAD, tso | TUN_F_USO4 | TUN_F_USO6) == 0);
}

void probe_udp(HostFacts& facts) {
  const Descriptor udp(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const int segment = 1200, on = 1;
  facts.udp_segment = granted(setsockopt(udp.get(), IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)) == 0);
  facts.udp_gro = granted(setsockopt(udp.get(), IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) == 0);
}

/** Loads "return 0": the least the kernel can be asked. */
Probe probe_bpf() {
  const bpf_insn program[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  attributes.insns = reinterpret_cast<uintptr_t>(program);
  attributes.insn_cnt = 2;
  attributes.license = reinterpret_cast<uintptr_t>("GPL");
  const Descriptor loaded(static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes))));
  return granted(loaded.open());
}

/** The CPU features that decide how fast the two AEADs are. */
std::vector<std::string> cpu_features() {
  std::vector<std::string> found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("aes")) found.emplace_back("aes");
  if (__builtin_cpu_supports("pclmul")) found.emplace_back("pclmul");
  if (__builtin_cpu_supports("avx2")) found.emplace_back("avx2");
  if (__builtin_cpu_supports("vaes")) found.emplace_back("vaes");
  if (__builtin_cpu_supports("vpclmulqdq")) found.emplace_back("vpclmulqdq");
  if (__builtin_cpu_supports("avx512f")) found.emplace_back("avx512f");
#elif defined(__aarch64__)
  const unsigned long features = getauxval(AT_HWCAP);
  if (features & (1UL << 1)) found.emplace_back("neon");   // HWCAP_ASIMD
  if (features & (1UL << 3)) found.emplace_back("aes");    // HWCAP_AES
  if (features & (1UL << 4)) found.emplace_back("pmull");  // HWCAP_PMULL
#endif
  return found;
}

}  // namespace

Status peer_credentials(int fd, Credentials& out) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return failed("getsockopt(SO_PEERCRED)");
  // A socket that is no Unix one, or not connected, is answered with nobody instead of an error.
  if (peer.pid == 0 && peer.uid == static_cast<uid_t>(-1)) return {ENOTCONN, "getsockopt(SO_PEERCRED)"};
  out = {peer.pid, peer.uid, peer.gid};
  return {};
}

Status notify_service_manager(std::string_view message, bool& told) {
  told = false;
  const char* name = std::getenv("NOTIFY_SOCKET");
  if (name == nullptr || *name == '\0') return {};
  sockaddr_un address{};
  const size_t length = std::strlen(name);
  if ((name[0] != '/' && name[0] != '@') || length >= sizeof(address.sun_path)) return {EINVAL, "NOTIFY_SOCKET"};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name, length);
  if (name[0] == '@') address.sun_path[0] = '\0';
  const Descriptor out(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!out.open()) return failed("socket(AF_UNIX)");
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  const auto* target = reinterpret_cast<const sockaddr*>(&address);
  if (sendto(out.get(), message.data(), message.size(), MSG_NOSIGNAL, target, size) < 0) return failed("sendto");
  told = true;
  return {};
}

HostFacts probe_host() {
  HostFacts facts;
  facts.capabilities = effective_capabilities();
  probe_tun(facts);
  probe_udp(facts);
  facts.bpf = probe_bpf();
  facts.libcrypto = OpenSSL_version(OPENSSL_VERSION);
  if (const LibBpf* library = LibBpf::get()) facts.libbpf = library->version_string();
  ipsec_mb(facts.ipsec_mb_lacks);
  facts.cpu = cpu_features();
  return facts;
}

}  // namespace trellis
