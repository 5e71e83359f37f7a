// Glue for the relay in the kernel (relay_kernel.h): an object whose methods find the relay by their `this`.
#include "relay.h"

#include <charconv>

#include "bpf.h"
#include "convert.h"
#include "found_relays.h"
#include "module.h"
#include "relay_devices.h"

namespace trellis {
namespace {

using convert::Arguments;

constexpr napi_type_tag RELAY_TAG{0x7472656c6c697320, 0x72656c6179206b65};

std::optional<RelayHook> hook(napi_env env, napi_value value) {
  const auto name = convert::string(env, value, "hook");
  if (!name) return std::nullopt;
  if (*name == "tcx") return RelayHook::tcx;
  if (*name == "clsact") return RelayHook::clsact;
  if (*name == "xdp") return RelayHook::xdp;
  return convert::refuse(env, "hook", "tcx, clsact or xdp");
}

/** attach(device, hook): beside what is attached there, a hook at a time */
napi_value js_attach(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const auto relay = relay_of(env, arguments.self);
  if (relay == nullptr) return nullptr;
  const auto device = convert::string(env, arguments[0], "device");
  if (!device) return nullptr;
  const auto where = hook(env, arguments[1]);
  if (!where) return nullptr;
  const Status status = relay->attach(*device, *where);
  return status.ok() ? nullptr : convert::throw_status(env, status);
}

/** counters(): number[] in the order of RELAY_VERDICTS */
napi_value js_counters(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const auto relay = relay_of(env, arguments.self);
  if (relay == nullptr) return nullptr;
  RelayCounts counts{};
  if (const Status status = relay->counters(counts); !status.ok()) return convert::throw_status(env, status);
  return convert::numbers(env, counts);
}

/** failure(): the errno's name, or "" while the kernel's tables are the tunnel's */
napi_value js_failure(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const auto relay = relay_of(env, arguments.self);
  if (relay == nullptr) return nullptr;
  const char* name = relay->failure().ok() ? "" : strerrorname_np(relay->failure().number);
  return convert::to_js(env, std::string_view(name != nullptr ? name : "EUNKNOWN"));
}

/** run(frame, {xdp, segment, checksumKnown, mark}) -> {code, frame, mark} */
napi_value js_run(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const auto relay = relay_of(env, arguments.self);
  if (relay == nullptr) return nullptr;
  const auto given = convert::bytes(env, arguments[0], "frame");
  if (!given) return nullptr;
  const auto segment = convert::integer(env, convert::property(env, arguments[1], "segment"), 0, 65535, "segment");
  if (!segment) return nullptr;
  RelayTrial trial;
  trial.segment = static_cast<uint32_t>(*segment);
  napi_get_value_bool(env, convert::property(env, arguments[1], "xdp"), &trial.xdp);
  napi_get_value_bool(env, convert::property(env, arguments[1], "checksumKnown"), &trial.checksum_known);
  if (const napi_value mark = convert::property(env, arguments[1], "mark"); !convert::is_undefined(env, mark)) {
    const auto bytes = convert::bytes(env, mark, "mark");
    if (!bytes) return nullptr;
    if (bytes->size() != sizeof trial.mark) return convert::refuse(env, "mark", "12 bytes"), nullptr;
    std::memcpy(trial.mark.data(), bytes->data(), sizeof trial.mark);
  }
  std::vector<uint8_t> frame(given->begin(), given->end());
  uint32_t code = 0;
  if (const Status status = relay->run(trial, frame, code); !status.ok()) return convert::throw_status(env, status);
  napi_value out = convert::object(env);
  convert::set(env, out, "code", double(static_cast<int32_t>(code)));
  convert::set(env, out, "frame", convert::copy_bytes(env, frame));
  convert::set(env, out, "mark", convert::copy_bytes(env, std::span(reinterpret_cast<const uint8_t*>(trial.mark.data()), sizeof trial.mark)));
  return out;
}

/** {tc, xdp, mark}: ids, and a mark as 16 hex digits */
napi_value from_programs(napi_env env, const RelayPrograms& programs) {
  char mark[17];
  std::snprintf(mark, sizeof mark, "%016llx", static_cast<unsigned long long>(programs.mark));
  napi_value out = convert::object(env);
  convert::set(env, out, "tc", double(programs.tc));
  convert::set(env, out, "xdp", double(programs.xdp));
  convert::set(env, out, "mark", std::string_view(mark));
  return out;
}

std::optional<RelayPrograms> to_programs(napi_env env, napi_value value) {
  const auto tc = convert::integer(env, convert::property(env, value, "tc"), 1, UINT32_MAX, "tc");
  if (!tc) return std::nullopt;
  const auto xdp = convert::integer(env, convert::property(env, value, "xdp"), 0, UINT32_MAX, "xdp");
  if (!xdp) return std::nullopt;
  const auto mark = convert::string(env, convert::property(env, value, "mark"), "mark");
  if (!mark) return std::nullopt;
  RelayPrograms out{static_cast<uint32_t>(*tc), static_cast<uint32_t>(*xdp), 0};
  const auto [end, error] = std::from_chars(mark->data(), mark->data() + mark->size(), out.mark, 16);
  if (error != std::errc{} || end != mark->data() + 16 || out.mark == 0) return convert::refuse(env, "mark", "16 hex digits, not all of them 0");
  return out;
}

/** programs(): {tc, xdp, mark} */
napi_value js_programs(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const auto relay = relay_of(env, arguments.self);
  return relay == nullptr ? nullptr : from_programs(env, relay->programs());
}

/** succeed({tc, xdp, mark}): whether these are attached; then they come behind ours */
napi_value js_succeed(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const auto relay = relay_of(env, arguments.self);
  if (relay == nullptr) return nullptr;
  const auto before = to_programs(env, arguments[0]);
  return before ? convert::to_js(env, relay->succeed(*before)) : nullptr;
}

/** retire(): detaches what came behind ours */
napi_value js_retire(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  if (const auto relay = relay_of(env, arguments.self); relay != nullptr) relay->retire();
  return nullptr;
}

std::shared_ptr<KernelRelay> taken(napi_env env, napi_value object) {
  if (relay_of(env, object) == nullptr) return nullptr;
  void* slot = nullptr;
  napi_unwrap(env, object, &slot);
  return std::exchange(*static_cast<std::shared_ptr<KernelRelay>*>(slot), nullptr);
}

/** close(): detaches everywhere */
napi_value js_close(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  if (const auto relay = taken(env, arguments.self); relay != nullptr) relay->close();
  return nullptr;
}

/** leave(): as close, but the programs relay on */
napi_value js_leave(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  if (const auto relay = taken(env, arguments.self); relay != nullptr) relay->leave();
  return nullptr;
}

/** removeRelay({tc, xdp, mark}): detaches these from all devices */
napi_value js_remove(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  if (const auto programs = to_programs(env, arguments[0])) KernelRelay::remove(*programs);
  return nullptr;
}

/** loadRelay(port, tcObject, xdpObject or undefined, filter or undefined): throws with the verifier's log in the message */
napi_value js_load(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  const auto port = convert::integer(env, arguments[0], 1, 65535, "port");
  if (!port) return nullptr;
  const auto tc = convert::bytes(env, arguments[1], "tc");
  if (!tc) return nullptr;
  const bool with_xdp = !convert::is_undefined(env, arguments[2]);
  const auto xdp = with_xdp ? convert::bytes(env, arguments[2], "xdp") : std::span<uint8_t>();
  if (!xdp) return nullptr;
  const IngressFilter* filter = nullptr;
  if (!convert::is_undefined(env, arguments[3]) && (filter = filter_of(env, arguments[3])) == nullptr) return nullptr;
  auto relay = std::make_unique<std::shared_ptr<KernelRelay>>();
  std::string log;
  if (const Status status = KernelRelay::load(static_cast<uint16_t>(*port), *tc, *xdp, filter, *relay, log); !status.ok()) {
    return convert::throw_status(env, status, log);
  }
  const napi_value out = convert::object(env);
  const auto collect = [](napi_env, void* slot, void*) { delete static_cast<std::shared_ptr<KernelRelay>*>(slot); };
  if (napi_wrap(env, out, relay.get(), collect, nullptr, nullptr) != napi_ok) return nullptr;
  relay.release();  // the wrapper's now
  napi_type_tag_object(env, out, &RELAY_TAG);
  convert::method(env, out, "attach", js_attach);
  convert::method(env, out, "counters", js_counters);
  convert::method(env, out, "failure", js_failure);
  convert::method(env, out, "run", js_run);
  convert::method(env, out, "programs", js_programs);
  convert::method(env, out, "succeed", js_succeed);
  convert::method(env, out, "retire", js_retire);
  convert::method(env, out, "leave", js_leave);
  convert::method(env, out, "close", js_close);
  return out;
}

/** etherDevices() -> {name, index}[] */
napi_value js_devices(napi_env env, napi_callback_info) {
  std::vector<EtherDevice> devices;
  if (const Status status = ether_devices(devices); !status.ok()) return convert::throw_status(env, status);
  napi_value out;
  napi_create_array_with_length(env, devices.size(), &out);
  for (uint32_t i = 0; i < devices.size(); i++) {
    napi_value device = convert::object(env);
    convert::set(env, device, "name", std::string_view(devices[i].name));
    convert::set(env, device, "index", double(devices[i].index));
    napi_set_element(env, out, i, device);
  }
  return out;
}

constexpr const char* HOOK_NAMES[] = {"tcx", "clsact", "xdp"};  // in the order of RelayHook

/** findRelays() -> {device, hook, id, port, leased}[] with the lease in ms */
napi_value js_find(napi_env env, napi_callback_info) {
  const auto found = find_relays();
  napi_value out;
  napi_create_array_with_length(env, found.size(), &out);
  for (uint32_t i = 0; i < found.size(); i++) {
    napi_value relay = convert::object(env);
    convert::set(env, relay, "device", std::string_view(found[i].device));
    convert::set(env, relay, "hook", HOOK_NAMES[static_cast<size_t>(found[i].hook)]);
    convert::set(env, relay, "id", double(found[i].id));
    convert::set(env, relay, "port", double(found[i].port));
    convert::set(env, relay, "leased", double(found[i].leased) / 1e6);
    napi_set_element(env, out, i, relay);
  }
  return out;
}

/** detachRelay(device, hook, id) */
napi_value js_detach(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  const auto device = convert::string(env, arguments[0], "device");
  if (!device) return nullptr;
  const auto where = hook(env, arguments[1]);
  if (!where) return nullptr;
  const auto id = convert::integer(env, arguments[2], 1, UINT32_MAX, "id");
  if (id) detach_relay({*device, *where, static_cast<uint32_t>(*id), 0, 0});
  return nullptr;
}

}  // namespace

std::shared_ptr<KernelRelay> relay_of(napi_env env, napi_value object) {
  bool ours = false;
  void* slot = nullptr;
  if (napi_check_object_type_tag(env, object, &RELAY_TAG, &ours) == napi_ok && ours) napi_unwrap(env, object, &slot);
  std::shared_ptr<KernelRelay> relay = slot != nullptr ? *static_cast<std::shared_ptr<KernelRelay>*>(slot) : nullptr;
  if (relay == nullptr) convert::refuse(env, "relay", "an open relay");
  return relay;
}

void register_relay(napi_env env, napi_value exports) {
  convert::method(env, exports, "loadRelay", js_load);
  convert::method(env, exports, "removeRelay", js_remove);
  convert::method(env, exports, "findRelays", js_find);
  convert::method(env, exports, "detachRelay", js_detach);
  convert::method(env, exports, "etherDevices", js_devices);
}

}  // namespace trellis
