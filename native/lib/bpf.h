// The ingress filter (bpf/ingress.bpf.c): loaded from bytes, attached to the mesh's sockets, gone with the last of them. Its tables say
// whom the daemon hears (bpf/admission.h); the relay's programs share them.
#pragma once
#include <array>

#include "bpf_object.h"
#include "endpoint.h"
#include "layout.gen.h"

namespace trellis {

/** The maps of bpf/admission.h, in every object that includes it. */
constexpr const char* ADMISSION_MAPS[] = {"ingress_counters",   "admission_keys",   "admission_sessions", "admission_peers", "admission_proven",
                                          "admission_strangers", "admission_lanes"};

using IngressCounters = std::array<uint64_t, INGRESS_VERDICTS>;

class IngressFilter {
 public:
  /** Loads the object. On failure `filter` is null and `log` says why, with the verifier's words when it was the verifier. */
  static Status load(std::span<const uint8_t> object, std::unique_ptr<IngressFilter>& filter, std::string& log);

  /** Attaches to a socket (SO_ATTACH_BPF), in place of the filter it had. The socket keeps the program alive by itself. */
  Status attach(int socket) const;

  /** Datagrams by verdict since the load, over all sockets and CPUs. */
  Status counters(IngressCounters& out) const { return sum_counters(object_->map("ingress_counters"), out); }

  /** From now on the rules of admission hold, with these keys; without any, malformed datagrams alone are dropped. */
  Status keys(const admission_keys* keys) const;

  /** Whether an index is one of our sessions. */
  Status session(uint32_t index, bool is_ours) const;

  /** Whether we speak to a peer at this address. */
  Status peer(const in6_addr& address, bool is_there) const;

  /** We have called this address: what comes from there is an answer. */
  Status called(const in6_addr& address) const;

  int map(const char* name) const { return object_->map(name); }

  /**
   * Runs the program once on a UDP datagram (BPF_PROG_TEST_RUN). `passed` tells whether the socket would get it.
   * @param segment size of one datagram when the payload stands for several that GRO has merged; 0 means one
   */
  Status run(std::span<const uint8_t> payload, uint32_t segment, const Endpoint& from, bool& passed) const;

 private:
  explicit IngressFilter(std::unique_ptr<BpfObject> object) : object_(std::move(object)) {}
  std::unique_ptr<BpfObject> object_;
};

}  // namespace trellis
