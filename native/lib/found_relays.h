// Programs of the relay on the devices of this network namespace, whoever attached them: what daemons that are gone have left is among them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "relay_hook.h"

namespace trellis {

struct FoundRelay {
  std::string device;
  RelayHook hook;
  uint32_t id;
  uint16_t port;    // UDP port that it looks at
  uint64_t leased;  // ns for which it still answers in its daemon's name; 0: no more
};

/**
 * Whose a program is its name and its tables say. Opening it by its id, to look at them, takes CAP_SYS_ADMIN; a clsact filter says its name and, by its
 * handle, its port to everybody, but then counts as leased no more. What cannot be looked at is not found.
 */
std::vector<FoundRelay> find_relays();

/** Takes it from that device. */
void detach_relay(const FoundRelay& relay);

}  // namespace trellis
