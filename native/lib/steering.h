// Which worker a flow has, in both directions (bpf/steering.bpf.c): loaded from bytes, attached to the TUN device and to the sockets, gone
// with them.
#pragma once
#include "bpf_object.h"
#include "homes.h"
#include "steering_terms.h"

namespace trellis {

class Steering {
 public:
  /** Loads the object. On failure `steering` is null and `log` says why, with the verifier's words when it was the verifier. */
  static Status load(std::span<const uint8_t> object, std::unique_ptr<Steering>& steering, std::string& log);

  Status homes(std::shared_ptr<Homes>& homes) const { return Homes::open(object_->map("steering_homes"), homes); }

  /** The CPU that had the newest packet of a sparse flow in hand, plus one, by direction (`STEERING_LEAVING`); 0 before the first. */
  Status cpus(MappedWords& words) const { return MappedWords::open(object_->map("steering_cpus"), STEERING_DIRECTIONS, words); }

  /**
   * Packets that leave by the device of this queue go to its queues 0 to `bulk` - 1 or, when their flow is sparse, to queue `bulk`;
   * what arrives for the port of this socket, so to the sockets that share it, in the order in which they were bound.
   */
  Status attach(int tun, int socket, uint32_t bulk) const;

 private:
  explicit Steering(std::unique_ptr<BpfObject> object) : object_(std::move(object)) {}
  std::unique_ptr<BpfObject> object_;
};

}  // namespace trellis
