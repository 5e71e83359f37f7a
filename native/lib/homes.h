// Which worker an address is served by: what its packets arrive at decides what leaves for it.
#pragma once
#include <memory>

#include "mapped_words.h"

namespace trellis {

/** The worker that receives from an address, as the program looks it up. All workers write it. */
class Homes {
 public:
  static Status open(int map, std::shared_ptr<Homes>& homes);

  /** What goes to the source of this IP packet leaves by `queue` from now on. */
  void settle(const uint8_t* packet, size_t queue);

 private:
  explicit Homes(MappedWords queues) : queues_(std::move(queues)) {}
  MappedWords queues_;
};

}  // namespace trellis
