// Glue for the ingress filter (bpf.h): an object whose methods find the filter by their `this`.
#include "bpf.h"

#include "convert.h"
#include "module.h"

namespace trellis {
namespace {

constexpr napi_type_tag FILTER_TAG{0x7472656c6c697320, 0x696e677265737321};

/** The filter of the object a method was called on; null, with a TypeError pending, when it is another or closed. */
IngressFilter* filter_of(napi_env env, napi_value self) {
  bool ours = false;
  void* slot = nullptr;
  if (napi_check_object_type_tag(env, self, &FILTER_TAG, &ours) == napi_ok && ours) napi_unwrap(env, self, &slot);
  auto* filter = slot ? static_cast<std::unique_ptr<IngressFilter>*>(slot)->get() : nullptr;
  if (filter == nullptr) convert::refuse(env, "this", "an open ingress filter");
  return filter;
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

/** run(payload, segment): boolean, whether a socket would get the datagram */
napi_value js_run(napi_env env, napi_callback_info info) {
  const convert::Arguments<2> arguments(env, info);
  const IngressFilter* filter = filter_of(env, arguments.self);
  if (filter == nullptr) return nullptr;
  const auto payload = convert::bytes(env, arguments[0], "payload");
  if (!payload) return nullptr;
  const auto segment = convert::integer(env, arguments[1], 0, 65535, "segment");
  if (!segment) return nullptr;
  bool passed = false;
  const Status status = filter->run(*payload, static_cast<uint32_t>(*segment), passed);
  return status.ok() ? convert::to_js(env, passed) : convert::throw_status(env, status);
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
  convert::method(env, out, "close", js_close);
  return out;
}

}  // namespace

void register_bpf(napi_env env, napi_value exports) { convert::method(env, exports, "loadIngressFilter", js_load); }

}  // namespace trellis
