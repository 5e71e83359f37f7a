// What the operator says of interfaces, for the links over them.
#pragma once
#include <cstdint>
#include <string>

namespace trellis {

struct InterfaceTerms {
  static constexpr uint64_t NO_LIMIT = ~uint64_t{0};

  std::string name;
  uint32_t cost = 0;          // in ms of round trip
  bool metered = false;
  uint64_t limit = NO_LIMIT;  // once so many bytes have gone over the interface, as the system counts them, its cap is reached
};

}  // namespace trellis
