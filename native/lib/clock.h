// The clock that the kernel's programs have too.
#pragma once
#include <cstdint>
#include <ctime>

namespace trellis {

/** CLOCK_MONOTONIC, ns: the exact one, since round trips are measured by it. */
inline uint64_t clock_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace trellis
