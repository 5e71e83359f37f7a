// Glue for policy and flows on the overlay device (mesh_filter.h): an object whose methods find the filter by their `this`.
#include "mesh_filter.h"

#include "clock.h"
#include "convert.h"
#include "module.h"

namespace trellis {
namespace {

using convert::Arguments;

constexpr napi_type_tag MESH_TAG{0x7472656c6c697320, 0x6d657368666c7472};

/** The filter of the object a method was called on; null, with a TypeError pending, when it is another or closed. */
MeshFilter* filter_of(napi_env env, napi_value self) {
  bool ours = false;
  void* slot = nullptr;
  if (napi_check_object_type_tag(env, self, &MESH_TAG, &ours) == napi_ok && ours) napi_unwrap(env, self, &slot);
  auto* filter = slot ? static_cast<std::unique_ptr<MeshFilter>*>(slot)->get() : nullptr;
  if (filter == nullptr) convert::refuse(env, "this", "an open mesh filter");
  return filter;
}

/** attach(device, clsact): "tcx" or "clsact" */
napi_value js_attach(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  MeshFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  const auto device = convert::string(env, arguments[0], "device");
  if (!device) return nullptr;
  bool clsact = false;
  napi_get_value_bool(env, arguments[1], &clsact);
  if (const Status status = filter->attach(*device, clsact); !status.ok()) return convert::throw_status(env, status);
  return convert::to_js(env, std::string_view(filter->is_tcx() ? "tcx" : "clsact"));
}

/** replace(table) */
napi_value js_replace(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  MeshFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  const auto table = convert::bytes(env, arguments[0], "table");
  if (!table) return nullptr;
  const Status status = filter->replace(*table);
  return status.ok() ? nullptr : convert::throw_status(env, status);
}

/** First counter and how many. */
std::optional<std::pair<uint32_t, uint32_t>> range(napi_env env, const Arguments<2>& arguments) {
  const auto first = convert::integer(env, arguments[0], 0, MESH_MAX_COUNTERS, "first");
  if (!first) return std::nullopt;
  const auto count = convert::integer(env, arguments[1], 0, MESH_MAX_COUNTERS - *first, "count");
  if (!count) return std::nullopt;
  return std::pair{static_cast<uint32_t>(*first), static_cast<uint32_t>(*count)};
}

/** ruleCounters(first, count): bytes of as many `mesh_count` */
napi_value js_rule_counters(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const MeshFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  const auto wanted = range(env, arguments);
  if (!wanted) return nullptr;
  std::vector<mesh_count> counts(wanted->second);
  if (const Status status = filter->rule_counters(wanted->first, counts); !status.ok()) return convert::throw_status(env, status);
  return convert::copy_bytes(env, {reinterpret_cast<const uint8_t*>(counts.data()), counts.size() * sizeof(mesh_count)});
}

/** clearRuleCounters(first, count) */
napi_value js_clear_rule_counters(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  MeshFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  const auto wanted = range(env, arguments);
  if (!wanted) return nullptr;
  const Status status = filter->clear_rule_counters(wanted->first, wanted->second);
  return status.ok() ? nullptr : convert::throw_status(env, status);
}

/** dropCounters(): number[] by direction and reason, then events lost */
napi_value js_drop_counters(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const MeshFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  uint64_t counts[2 * MESH_DROPS + 1] = {};
  if (const Status status = filter->drop_counters(counts); !status.ok()) return convert::throw_status(env, status);
  return convert::numbers(env, counts);
}

/** flows(denied): {now, bytes}: CLOCK_MONOTONIC in milliseconds; `mesh_flow_key` and `mesh_flow` of each */
napi_value js_flows(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const MeshFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  bool denied = false;
  napi_get_value_bool(env, arguments[0], &denied);
  std::vector<uint8_t> bytes;
  if (const Status status = filter->flows(denied, bytes); !status.ok()) return convert::throw_status(env, status);
  const napi_value out = convert::object(env);
  convert::set(env, out, "now", double(clock_ns()) / 1e6);
  convert::set(env, out, "bytes", convert::copy_bytes(env, bytes));
  return out;
}

/** events(most): bytes of `mesh_event`s */
napi_value js_events(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  MeshFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  const auto most = convert::integer(env, arguments[0], 1, 1 << 20, "most");
  if (!most) return nullptr;
  std::vector<uint8_t> bytes;
  if (const Status status = filter->events(static_cast<size_t>(*most), bytes); !status.ok()) return convert::throw_status(env, status);
  return convert::copy_bytes(env, bytes);
}

/** run(packet, {out, segment, repeat}) -> {code, nanoseconds} */
napi_value js_run(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const MeshFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  const auto packet = convert::bytes(env, arguments[0], "packet");
  if (!packet) return nullptr;
  const auto segment = convert::integer(env, convert::property(env, arguments[1], "segment"), 0, 65535, "segment");
  if (!segment) return nullptr;
  const auto repeat = convert::integer(env, convert::property(env, arguments[1], "repeat"), 1, 1 << 30, "repeat");
  if (!repeat) return nullptr;
  bool out = false;
  napi_get_value_bool(env, convert::property(env, arguments[1], "out"), &out);
  const MeshTrial trial{out ? TcDirection::out : TcDirection::in, static_cast<uint32_t>(*segment), static_cast<uint32_t>(*repeat)};
  uint32_t code = 0, nanoseconds = 0;
  if (const Status status = filter->run(trial, *packet, code, nanoseconds); !status.ok()) return convert::throw_status(env, status);
  const napi_value result = convert::object(env);
  convert::set(env, result, "code", double(static_cast<int32_t>(code)));
  convert::set(env, result, "nanoseconds", double(nanoseconds));
  return result;
}

/** close(): detaches; flows and counters are gone */
napi_value js_close(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  if (filter_of(env, arguments.self) == nullptr) return nullptr;
  void* slot = nullptr;
  napi_unwrap(env, arguments.self, &slot);
  static_cast<std::unique_ptr<MeshFilter>*>(slot)->reset();
  return nullptr;
}

/** loadMeshFilter(objectBytes): throws with the verifier's log in the message */
napi_value js_load(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const auto object = convert::bytes(env, arguments[0], "object");
  if (!object) return nullptr;
  auto filter = std::make_unique<std::unique_ptr<MeshFilter>>();
  std::string log;
  if (const Status status = MeshFilter::load(*object, *filter, log); !status.ok()) return convert::throw_status(env, status, log);
  const napi_value out = convert::object(env);
  const auto collect = [](napi_env, void* slot, void*) { delete static_cast<std::unique_ptr<MeshFilter>*>(slot); };
  if (napi_wrap(env, out, filter.get(), collect, nullptr, nullptr) != napi_ok) return nullptr;
  filter.release();  // the wrapper's now
  napi_type_tag_object(env, out, &MESH_TAG);
  convert::method(env, out, "attach", js_attach);
  convert::method(env, out, "replace", js_replace);
  convert::method(env, out, "ruleCounters", js_rule_counters);
  convert::method(env, out, "clearRuleCounters", js_clear_rule_counters);
  convert::method(env, out, "dropCounters", js_drop_counters);
  convert::method(env, out, "flows", js_flows);
  convert::method(env, out, "events", js_events);
  convert::method(env, out, "run", js_run);
  convert::method(env, out, "close", js_close);
  return out;
}

}  // namespace

void register_mesh_filter(napi_env env, napi_value exports) { convert::method(env, exports, "loadMeshFilter", js_load); }

}  // namespace trellis
