#include "homes.h"

#include <sys/mman.h>

#include <atomic>
#include <cstring>

#include "ip.h"
#include "steering_home.h"

namespace trellis {
namespace {

constexpr size_t HOMES_BYTES = STEERING_HOMES * sizeof(uint64_t);

}  // namespace

Status Homes::open(int map, std::shared_ptr<Homes>& homes) {
  void* memory = mmap(nullptr, HOMES_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
  if (memory == MAP_FAILED) return failed("mmap");
  homes.reset(new Homes(static_cast<uint64_t*>(memory)));
  return {};
}

Homes::~Homes() { munmap(queues_, HOMES_BYTES); }

void Homes::settle(const uint8_t* packet, size_t queue) {
  uint32_t source[4] = {};
  if (is_v4(packet)) std::memcpy(source, packet + 12, 4);
  else std::memcpy(source, packet + 8, 16);
  const std::atomic_ref home(queues_[steering_home(source[0], source[1], source[2], source[3])]);
  if (home.load(std::memory_order_relaxed) != queue + 1) home.store(queue + 1, std::memory_order_relaxed);
}

}  // namespace trellis
