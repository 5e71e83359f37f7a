// Glue for the ingress filter (bpf.h): an object whose methods find the filter by their `this`.
#include "bpf.h"

#include <optional>

#include "convert.h"
#include "module.h"

namespace trellis {
namespace {

constexpr napi_type_tag FILTER_TAG{0x7472656c6c697320, 0x696e677265737321};

/** An IP address, whatever its scope. */
std::optional<in6_addr> address(napi_env env, napi_value value) {
  const auto text = convert::string(env, value, "address");
  Endpoint parsed;
  if (!text) return std::nullopt;
  if (!parse_endpoint(text->substr(0, text->find('%')), 1, parsed)) return convert::refuse(env, "address", "an IP address");
  return parsed.address;
}

/** attach(fd) */
napi_value js_attach(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  const IngressFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  const auto fd = convert::integer(env, arguments[0], 0, INT32_MAX, "fd");
  if (!fd) return nullptr;
  const Status status = filter->attach(static_cast<int>(*fd));
  return status.ok() ? nullptr : convert::throw_status(env, status);
}

/** counters(): number[] in the order of INGRESS_VERDICTS */
napi_value js_counters(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  const IngressFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  IngressCounters counters{};
  if (const Status status = filter->counters(counters); !status.ok()) return convert::throw_status(env, status);
  return convert::numbers(env, counters);
}

/** run(payload, segment, address, port): boolean, whether a socket would get the datagram */
napi_value js_run(napi_env env, napi_callback_info info) {
  const convert::Arguments<4> arguments(env, info);
  const IngressFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  const auto payload = convert::bytes(env, arguments[0], "payload");
  if (!payload) return nullptr;
  const auto segment = convert::integer(env, arguments[1], 0, 65535, "segment");
  if (!segment) return nullptr;
  const auto from = address(env, arguments[2]);
  if (!from) return nullptr;
  const auto port = convert::integer(env, arguments[3], 1, 65535, "port");
  if (!port) return nullptr;
  Endpoint source;
  source.address = *from;
  source.port = static_cast<uint16_t>(*port);
  bool passed = false;
  const Status status = filter->run(*payload, static_cast<uint32_t>(*segment), source, passed);
  return status.ok() ? convert::to_js(env, passed) : convert::throw_status(env, status);
}

/** keys(bytes or undefined): `AdmissionKeys` */
napi_value js_keys(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  const IngressFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  admission_keys keys{};
  const bool some = !convert::is_undefined(env, arguments[0]);
  if (some) {
    const auto given = convert::bytes(env, arguments[0], "keys");
    if (!given) return nullptr;
    if (given->size() != sizeof keys) {
      convert::refuse(env, "keys", "48 bytes");
      return nullptr;
    }
    std::memcpy(&keys, given->data(), sizeof keys);
  }
  const Status status = filter->keys(some ? &keys : nullptr);
  return status.ok() ? nullptr : convert::throw_status(env, status);
}

/** session(index, isOurs) */
napi_value js_session(napi_env env, napi_callback_info info) {
  const convert::Arguments<2> arguments(env, info);
  const IngressFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  const auto index = convert::integer(env, arguments[0], 0, 0xffffffff, "index");
  if (!index) return nullptr;
  bool is_ours = false;
  napi_get_value_bool(env, arguments[1], &is_ours);
  const Status status = filter->session(static_cast<uint32_t>(*index), is_ours);
  return status.ok() ? nullptr : convert::throw_status(env, status);
}

/** peer(address, isThere) */
napi_value js_peer(napi_env env, napi_callback_info info) {
  const convert::Arguments<2> arguments(env, info);
  const IngressFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  const auto at = address(env, arguments[0]);
  if (!at) return nullptr;
  bool is_there = false;
  napi_get_value_bool(env, arguments[1], &is_there);
  const Status status = filter->peer(*at, is_there);
  return status.ok() ? nullptr : convert::throw_status(env, status);
}

/** called(address) */
napi_value js_called(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  const IngressFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  const auto at = address(env, arguments[0]);
  if (!at) return nullptr;
  const Status status = filter->called(*at);
  return status.ok() ? nullptr : convert::throw_status(env, status);
}

/** close(): forgets the program; sockets that have it keep it until they close */
napi_value js_close(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  if (filter_of(env, arguments.self) == nullptr) return nullptr;
  void* slot = nullptr;
  napi_unwrap(env, arguments.self, &slot);
  static_cast<std::unique_ptr<IngressFilter>*>(slot)->reset();
  return nullptr;
}

/** loadIngressFilter(objectBytes): throws with the verifier's log in the message */
napi_value js_load(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  const auto object = convert::bytes(env, arguments[0], "object");
  if (!object) return nullptr;
  auto filter = std::make_unique<std::unique_ptr<IngressFilter>>();
  std::string log;
  if (const Status status = IngressFilter::load(*object, *filter, log); !status.ok())
    return convert::throw_status(env, status, log);
  const napi_value out = convert::object(env);
  const auto collect = [](napi_env, void* slot, void*) { delete static_cast<std::unique_ptr<IngressFilter>*>(slot); };
  if (napi_wrap(env, out, filter.get(), collect, nullptr, nullptr) != napi_ok) return nullptr;
  filter.release();  // the wrapper's now
  napi_type_tag_object(env, out, &FILTER_TAG);
  convert::method(env, out, "attach", js_attach);
  convert::method(env, out, "counters", js_counters);
  convert::method(env, out, "run", js_run);
  convert::method(env, out, "keys", js_keys);
  convert::method(env, out, "session", js_session);
  convert::method(env, out, "peer", js_peer);
  convert::method(env, out, "called", js_called);
  convert::method(env, out, "close", js_close);
  return out;
}

}  // namespace

IngressFilter* filter_of(napi_env env, napi_value object) {
  bool ours = false;
  void* slot = nullptr;
  if (napi_check_object_type_tag(env, object, &FILTER_TAG, &ours) == napi_ok && ours) napi_unwrap(env, object, &slot);
  auto* filter = slot ? static_cast<std::unique_ptr<IngressFilter>*>(slot)->get() : nullptr;
  if (filter == nullptr) convert::refuse(env, "filter", "an open ingress filter");
  return filter;
}

void register_bpf(napi_env env, napi_value exports) { convert::method(env, exports, "loadIngressFilter", js_load); }

}  // namespace trellis
