// How this machine reaches endpoints, as its routes say.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "endpoint.h"

namespace trellis {

class Reach {
 public:
  struct Way {
    uint32_t device;  // interface that is left by
    in6_addr local;   // our address there; unspecified when there is none
  };

  virtual ~Reach() = default;
  /** Grows when what the others say may have changed. Any thread may ask. */
  virtual uint64_t version() const = 0;
  /** By `device`, or by the one that the machine's routes choose when it is 0; nothing when there is no route. */
  virtual std::optional<Way> find(const Endpoint& to, uint32_t device) = 0;
  /** The interfaces with a carrier and a route to `to`, but for `taken`. */
  virtual std::vector<uint32_t> others(const Endpoint& to, uint32_t taken) = 0;
};

}  // namespace trellis
