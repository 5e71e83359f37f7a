// The ingress filter (bpf/ingress.bpf.c): loaded from bytes, attached to the mesh's sockets, gone with the last of them.
#pragma once
#include <array>

#include "bpf_object.h"
#include "layout.gen.h"

namespace trellis {

using IngressCounters = std::array<uint64_t, INGRESS_VERDICTS>;

class IngressFilter {
 public:
  /** Loads the object. On failure `filter` is null and `log` says why, with the verifier's words when it was the verifier. */
  static Status load(std::span<const uint8_t> object, std::unique_ptr<IngressFilter>& filter, std::string& log);

  /** Attaches to a socket (SO_ATTACH_BPF), in place of the filter it had. The socket keeps the program alive by itself. */
  Status attach(int socket) const;

  /** Datagrams by verdict since the load, over all sockets and CPUs. */
  Status counters(IngressCounters& out) const { return sum_counters(object_->map("ingress_counters"), out); }

  /**
   * Runs the program once on a UDP datagram (BPF_PROG_TEST_RUN). `passed` tells whether the socket would get it.
   * @param segment size of one datagram when the payload stands for several that GRO has merged; 0 means one
   */
  Status run(std::span<const uint8_t> payload, uint32_t segment, bool& passed) const;

 private:
  explicit IngressFilter(std::unique_ptr<BpfObject> object) : object_(std::move(object)) {}
  std::unique_ptr<BpfObject> object_;
};

}  // namespace trellis
