// Which worker an address is served by: what its packets arrive at decides what leaves for it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "status.h"

namespace trellis {

/** The worker that receives from an address, as the program looks it up. All workers write it, through memory they share with the kernel. */
class Homes {
 public:
  /** Maps the map's memory. */
  static Status open(int map, std::shared_ptr<Homes>& homes);
  ~Homes();
  Homes(const Homes&) = delete;
  Homes& operator=(const Homes&) = delete;

  /** What goes to the source of this IP packet leaves by `queue` from now on. */
  void settle(const uint8_t* packet, size_t queue);

 private:
  explicit Homes(uint64_t* queues) : queues_(queues) {}
  uint64_t* queues_;
};

}  // namespace trellis
