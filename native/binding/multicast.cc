// Glue for small datagrams to everybody on a link (multicast.h).
#include "multicast.h"

#include <arpa/inet.h>

#include <memory>
#include <optional>

#include "convert.h"
#include "module.h"

namespace trellis {
namespace {

/** The thread stops before what it calls goes, whoever lets go first: `close()`, the collector or the environment. */
struct Handle {
  napi_threadsafe_function queue = nullptr;
  std::unique_ptr<Multicast> multicast;

  void end() {
    if (queue == nullptr) return;
    multicast->stop();
    napi_release_threadsafe_function(queue, napi_tsfn_abort);
    queue = nullptr;
  }
};

Handle* handle_of(napi_env env, napi_value self) {
  void* data = nullptr;
  if (napi_unwrap(env, self, &data) == napi_ok && data != nullptr) return static_cast<Handle*>(data);
  convert::refuse(env, "this method", "a Multicast as `this`");
  return nullptr;
}

/** Null, silently, once it was closed. */
Multicast* open_of(napi_env env, napi_value self) {
  const Handle* handle = handle_of(env, self);
  return handle != nullptr && handle->queue != nullptr ? handle->multicast.get() : nullptr;
}

void on_exit(void* data) { static_cast<Handle*>(data)->multicast->stop(); }

void on_collect(napi_env env, void* data, void*) {
  const std::unique_ptr<Handle> handle(static_cast<Handle*>(data));
  napi_remove_env_cleanup_hook(env, on_exit, handle.get());
  handle->end();
}

/** Runs on JavaScript's thread after the other one has heard something. */
void deliver(napi_env env, napi_value function, void* context, void*) {
  if (env == nullptr || function == nullptr) return;
  std::vector<MulticastDatagram> heard;
  static_cast<Multicast*>(context)->drain(heard);
  if (heard.empty()) return;
  napi_value batch;
  napi_create_array_with_length(env, heard.size(), &batch);
  for (uint32_t i = 0; i < heard.size(); i++) {
    const napi_value entry = convert::object(env);
    convert::set(env, entry, "address", std::string_view(format_address(heard[i].from)));
    convert::set(env, entry, "port", double(heard[i].from.port));
    convert::set(env, entry, "payload", convert::copy_bytes(env, heard[i].payload));
    napi_set_element(env, batch, i, entry);
  }
  napi_call_function(env, convert::undefined(env), function, 1, &batch, nullptr);
}

/** join(interface): throws the reason of IPv4 when neither group can be joined */
napi_value js_join(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  Multicast* multicast = open_of(env, arguments.self);
  if (multicast == nullptr) return nullptr;
  const auto interface = convert::integer(env, arguments[0], 1, INT32_MAX, "interface");
  if (!interface) return nullptr;
  const Status status = multicast->join(static_cast<int>(*interface));
  return status.ok() ? nullptr : convert::throw_status(env, status);
}

napi_value js_leave(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  Multicast* multicast = open_of(env, arguments.self);
  if (multicast == nullptr) return nullptr;
  if (const auto interface = convert::integer(env, arguments[0], 1, INT32_MAX, "interface")) multicast->leave(static_cast<int>(*interface));
  return nullptr;
}

/** send(interface, source, data): from an address of that interface, which says whether to the IPv4 or the IPv6 group */
napi_value js_send(napi_env env, napi_callback_info info) {
  const convert::Arguments<3> arguments(env, info);
  Multicast* multicast = open_of(env, arguments.self);
  if (multicast == nullptr) return nullptr;
  const auto interface = convert::integer(env, arguments[0], 1, INT32_MAX, "interface");
  if (!interface) return nullptr;
  const auto text = convert::string(env, arguments[1], "source");
  if (!text) return nullptr;
  const auto data = convert::bytes(env, arguments[2], "data");
  if (!data) return nullptr;
  Endpoint source;
  if (!parse_endpoint(*text, 1, source)) {
    convert::refuse(env, "source", "an IP address");
    return nullptr;
  }
  const Status status = multicast->send(static_cast<int>(*interface), source.address, *data);
  return status.ok() ? nullptr : convert::throw_status(env, status);
}

napi_value js_close(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  if (Handle* handle = handle_of(env, arguments.self)) handle->end();
  return nullptr;
}

std::optional<MulticastGroups> groups_of(napi_env env, napi_value object) {
  MulticastGroups groups{};
  const auto v4 = convert::string(env, convert::property(env, object, "v4"), "v4");
  if (!v4) return std::nullopt;
  const auto v6 = convert::string(env, convert::property(env, object, "v6"), "v6");
  if (!v6) return std::nullopt;
  const auto port = convert::integer(env, convert::property(env, object, "port"), 1, 65535, "port");
  if (!port) return std::nullopt;
  groups.port = static_cast<uint16_t>(*port);
  if (inet_pton(AF_INET, v4->c_str(), &groups.v4) != 1 || !IN_MULTICAST(ntohl(groups.v4.s_addr))) {
    return convert::refuse(env, "v4", "an IPv4 multicast address");
  }
  if (inet_pton(AF_INET6, v6->c_str(), &groups.v6) != 1 || !IN6_IS_ADDR_MC_LINKLOCAL(&groups.v6)) {
    return convert::refuse(env, "v6", "an IPv6 multicast address of link-local scope");
  }
  return groups;
}

/** openMulticast({v4, v6, port}, onHeard): {join, leave, send, close}; keeps no process alive */
napi_value js_open(napi_env env, napi_callback_info info) {
  const convert::Arguments<2> arguments(env, info);
  const auto groups = groups_of(env, arguments[0]);
  if (!groups) return nullptr;
  napi_valuetype type;
  napi_typeof(env, arguments[1], &type);
  if (type != napi_function) {
    convert::refuse(env, "openMulticast", "a function after the groups");
    return nullptr;
  }
  auto handle = std::make_unique<Handle>();
  Handle* raw = handle.get();  // the thread ends before the handle does
  handle->multicast = std::make_unique<Multicast>([raw] { napi_call_threadsafe_function(raw->queue, nullptr, napi_tsfn_nonblocking); });
  // One call that waits is enough: it takes all that there is when it runs.
  napi_create_threadsafe_function(env, arguments[1], nullptr, convert::to_js(env, std::string_view("multicast")), 1, 1, nullptr, nullptr,
                                  handle->multicast.get(), deliver, &handle->queue);
  napi_unref_threadsafe_function(env, handle->queue);
  if (const Status status = handle->multicast->open(*groups); !status.ok()) {
    handle->end();
    return convert::throw_status(env, status);
  }
  const napi_value object = convert::object(env);
  convert::method(env, object, "join", js_join);
  convert::method(env, object, "leave", js_leave);
  convert::method(env, object, "send", js_send);
  convert::method(env, object, "close", js_close);
  napi_add_env_cleanup_hook(env, on_exit, raw);
  napi_wrap(env, object, handle.release(), on_collect, nullptr, nullptr);
  return object;
}

}  // namespace

void register_multicast(napi_env env, napi_value exports) { convert::method(env, exports, "openMulticast", js_open); }

}  // namespace trellis
