#include "bpf.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cstring>

namespace trellis {
namespace {

/** Ethernet, IP and UDP headers of a datagram to us, without checksums: the program reads none. */
std::vector<uint8_t> framed(std::span<const uint8_t> payload, const Endpoint& from) {
  const size_t udp_size = sizeof(udphdr) + payload.size();
  std::vector<uint8_t> frame(sizeof(ether_header));
  const auto append = [&](const auto& header) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
    frame.insert(frame.end(), bytes, bytes + sizeof header);
  };
  ether_header ethernet{};
  ethernet.ether_type = htons(from.is_v4() ? ETHERTYPE_IP : ETHERTYPE_IPV6);
  std::memcpy(frame.data(), &ethernet, sizeof ethernet);
  if (from.is_v4()) {
    iphdr ip{};
    ip.version = 4;
    ip.ihl = 5;
    ip.protocol = IPPROTO_UDP;
    ip.tot_len = htons(static_cast<uint16_t>(sizeof ip + udp_size));
    std::memcpy(&ip.saddr, from.address.s6_addr + 12, sizeof ip.saddr);
    append(ip);
  } else {
    ip6_hdr ip{};
    ip.ip6_vfc = 0x60;
    ip.ip6_nxt = IPPROTO_UDP;
    ip.ip6_plen = htons(static_cast<uint16_t>(udp_size));
    ip.ip6_src = from.address;
    append(ip);
  }
  udphdr udp{};
  udp.source = htons(from.port);
  udp.len = htons(static_cast<uint16_t>(udp_size));
  append(udp);
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

/** Who shares this much of an address is one source, as in bpf/admission.h. */
in6_addr source_of(const Endpoint& endpoint) {
  in6_addr source = endpoint.address;
  if (!endpoint.is_v4()) std::memset(source.s6_addr + 8, 0, 8);
  return source;
}

Status put(int map, const void* key, const void* value, uint64_t flags) {
  const int error = LibBpf::get()->map_update_elem(map, key, value, flags);
  return error == 0 || (flags == BPF_NOEXIST && error == -EEXIST) ? Status{} : Status{-error, "bpf_map_update_elem"};
}

Status take_out(int map, const void* key) {
  const int error = LibBpf::get()->map_delete_elem(map, key);
  return error == 0 || error == -ENOENT ? Status{} : Status{-error, "bpf_map_delete_elem"};
}

}  // namespace

Status IngressFilter::load(std::span<const uint8_t> bytes, std::unique_ptr<IngressFilter>& filter, std::string& log) {
  filter.reset();
  std::unique_ptr<BpfObject> object;
  if (const Status status = BpfObject::open(bytes, "trellis_ingress", object, log); !status.ok()) return status;
  if (const Status status = object->load("ingress", log); !status.ok()) return status;
  if (object->map("ingress_counters") < 0) return {ENOENT, "bpf_object__find_map_by_name"};
  filter.reset(new IngressFilter(std::move(object)));
  return {};
}

Status IngressFilter::attach(int socket) const {
  const int program = object_->program();
  if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)) != 0) return failed("setsockopt(SO_ATTACH_BPF)");
  return {};
}

Status IngressFilter::keys(const admission_keys* keys) const {
  const uint32_t only = 0;
  return keys == nullptr ? take_out(map("admission_keys"), &only) : put(map("admission_keys"), &only, keys, BPF_ANY);
}

Status IngressFilter::session(uint32_t index, bool is_ours) const {
  const uint8_t value = 0;
  return is_ours ? put(map("admission_sessions"), &index, &value, BPF_ANY) : take_out(map("admission_sessions"), &index);
}

Status IngressFilter::peer(const in6_addr& address, bool is_there) const {
  const admission_bucket full{};
  return is_there ? put(map("admission_peers"), &address, &full, BPF_NOEXIST) : take_out(map("admission_peers"), &address);
}

Status IngressFilter::called(const in6_addr& address) const {
  const admission_bucket full{};
  Endpoint endpoint;
  endpoint.address = address;
  const in6_addr source = source_of(endpoint);
  return put(map("admission_proven"), &source, &full, BPF_NOEXIST);
}

Status IngressFilter::run(std::span<const uint8_t> payload, uint32_t segment, const Endpoint& from, bool& passed) const {
  // The kernel takes a frame and pulls the Ethernet header.
  std::vector<uint8_t> frame = framed(payload, from);
  __sk_buff context{};
  context.gso_size = segment;
  context.gso_segs = segment == 0 ? 0 : static_cast<uint32_t>((payload.size() + segment - 1) / segment);
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.data_in = frame.data();
  options.data_size_in = static_cast<uint32_t>(frame.size());
  options.ctx_in = &context;
  options.ctx_size_in = sizeof(context);
  options.repeat = 1;
  const int error = LibBpf::get()->prog_test_run_opts(object_->program(), &options);
  if (error != 0) return {-error, "BPF_PROG_TEST_RUN"};
  passed = options.retval != 0;
  return {};
}

}  // namespace trellis
