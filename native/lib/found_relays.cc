#include "found_relays.h"

#include <net/if.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "clock.h"
#include "descriptor.h"
#include "lasting_hook.h"
#include "layout.gen.h"
#include "libbpf.h"
#include "tc_filters.h"

namespace trellis {
namespace {

constexpr std::string_view TC_NAME = "relay_tc", XDP_NAME = "relay_xdp";
constexpr size_t MOST_MAPS = 64;

/** What the tables of a program say. */
struct Tables {
  uint16_t port;
  uint64_t leased;
};

/** The first value of an array; false when its values have another size, as those of another release may. */
template <typename Value>
bool first_of(int map, const bpf_map_info& info, Value& out) {
  const uint32_t only = 0;
  return info.value_size == sizeof out && LibBpf::get()->map_lookup_elem(map, &only, &out) == 0;
}

std::optional<Tables> read_tables(std::span<const uint32_t> maps) {
  const LibBpf* library = LibBpf::get();
  relay_config config{};
  relay_state own{};
  for (const uint32_t id : maps) {
    const Descriptor map(library->map_get_fd_by_id(id));
    bpf_map_info info{};
    uint32_t size = sizeof info;
    if (!map.open() || library->obj_get_info_by_fd(map.get(), &info, &size) != 0) continue;
    const std::string_view name(info.name);
    if (name == "relay_config" && !first_of(map.get(), info, config)) return std::nullopt;
    if (name == "relay_states" && !first_of(map.get(), info, own)) return std::nullopt;
  }
  const uint16_t port = __builtin_bswap16(config.port);
  if (port == 0) return std::nullopt;
  const uint64_t now = clock_ns();
  return Tables{port, own.until > now ? own.until - now : 0};
}

/** Nothing when it is none of ours, or may not be opened. */
std::optional<Tables> look_at(uint32_t program) {
  const LibBpf* library = LibBpf::get();
  const Descriptor opened(library->prog_get_fd_by_id(program));
  if (!opened.open()) return std::nullopt;
  std::array<uint32_t, MOST_MAPS> maps{};
  bpf_prog_info info{};
  info.nr_map_ids = maps.size();
  info.map_ids = reinterpret_cast<uint64_t>(maps.data());
  uint32_t size = sizeof info;
  if (library->obj_get_info_by_fd(opened.get(), &info, &size) != 0) return std::nullopt;
  const std::string_view name(info.name);
  if (name != TC_NAME && name != XDP_NAME) return std::nullopt;
  return read_tables(std::span(maps).first(std::min<size_t>(info.nr_map_ids, maps.size())));
}

/** What clsact has at this device. */
void find_filters(const std::string& device, int index, std::vector<FoundRelay>& out) {
  std::vector<TcFilter> filters;
  if (!read_tc_filters(index, TcDirection::in, filters).ok()) return;
  for (const TcFilter& filter : filters) {
    if (filter.program == 0 || filter.priority != TC_PRIORITY || !filter.name.starts_with(TC_NAME) || filter.handle > UINT16_MAX) continue;
    const auto tables = look_at(filter.program);
    out.push_back({device, RelayHook::clsact, filter.program, static_cast<uint16_t>(filter.handle), tables ? tables->leased : 0});
  }
}

}  // namespace

std::vector<FoundRelay> find_relays() {
  std::vector<FoundRelay> out;
  if (LibBpf::get() == nullptr) return out;
  struct if_nameindex* names = if_nameindex();
  for (const struct if_nameindex* each = names; each != nullptr && each->if_index != 0; each++) {
    const int index = static_cast<int>(each->if_index);
    const auto note = [&](RelayHook hook, uint32_t id) {
      if (id == 0) return;
      if (const auto tables = look_at(id)) out.push_back({each->if_name, hook, id, tables->port, tables->leased});
    };
    for (const uint32_t id : tcx_ids(index)) note(RelayHook::tcx, id);
    note(RelayHook::xdp, xdp_id(index));
    find_filters(each->if_name, index, out);
  }
  if (names != nullptr) if_freenameindex(names);
  return out;
}

void detach_relay(const FoundRelay& relay) {
  const int device = static_cast<int>(if_nametoindex(relay.device.c_str()));
  if (device == 0 || LibBpf::get() == nullptr) return;
  if (relay.hook == RelayHook::tcx) detach_tcx(device, relay.id);
  if (relay.hook == RelayHook::xdp) detach_xdp(device, relay.id);
  if (relay.hook == RelayHook::clsact) TcHook::remove_clsact(device, TcDirection::in, relay.id);
}

}  // namespace trellis
