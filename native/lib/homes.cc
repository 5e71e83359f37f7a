#include "homes.h"

#include <cstring>

#include "ip.h"
#include "steering_terms.h"

namespace trellis {

Status Homes::open(int map, std::shared_ptr<Homes>& homes) {
  MappedWords queues;
  if (const Status status = MappedWords::open(map, STEERING_HOMES, queues); !status.ok()) return status;
  homes.reset(new Homes(std::move(queues)));
  return {};
}

void Homes::settle(const uint8_t* packet, size_t queue) {
  uint32_t source[4] = {};
  if (is_v4(packet)) std::memcpy(source, packet + 12, 4);
  else std::memcpy(source, packet + 8, 16);
  const auto home = queues_[steering_home(source[0], source[1], source[2], source[3])];
  if (home.load(std::memory_order_relaxed) != queue + 1) home.store(queue + 1, std::memory_order_relaxed);
}

}  // namespace trellis
