// Which queue of a TUN device a flow leaves by (bpf/steering.bpf.c): loaded from bytes, attached to the device, gone with it.
#pragma once
#include "bpf_object.h"
#include "homes.h"

namespace trellis {

class Steering {
 public:
  /** Loads the object. On failure `steering` is null and `log` says why, with the verifier's words when it was the verifier. */
  static Status load(std::span<const uint8_t> object, std::unique_ptr<Steering>& steering, std::string& log);

  Status homes(std::shared_ptr<Homes>& homes) const { return Homes::open(object_->map("steering_homes"), homes); }

  /** Packets that leave by the device of this queue go to its queues 0 to `bulk` - 1 or, when their flow is sparse, to queue `bulk`. */
  Status attach(int tun, uint32_t bulk) const;

 private:
  explicit Steering(std::unique_ptr<BpfObject> object) : object_(std::move(object)) {}
  std::unique_ptr<BpfObject> object_;
};

}  // namespace trellis
