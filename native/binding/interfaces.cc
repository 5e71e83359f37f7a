// Glue for interfaces and their changes (interfaces.h).
#include "interfaces.h"

#include <net/if.h>

#include <memory>

#include "convert.h"
#include "module.h"

namespace trellis {
namespace {

napi_value addresses_array(napi_env env, const std::vector<InterfaceAddress>& addresses) {
  napi_value out;
  napi_create_array_with_length(env, addresses.size(), &out);
  for (uint32_t i = 0; i < addresses.size(); i++) {
    const napi_value entry = convert::object(env);
    convert::set(env, entry, "address", std::string_view(addresses[i].text));
    convert::set(env, entry, "prefixLength", double(addresses[i].prefix_length));
    convert::set(env, entry, "temporary", addresses[i].temporary);
    napi_set_element(env, out, i, entry);
  }
  return out;
}

/** interfaces(): {name, index, alias, up, loopback, multicast, pointToPoint, addresses}[] */
napi_value js_interfaces(napi_env env, napi_callback_info) {
  std::vector<Interface> interfaces;
  if (const Status status = read_interfaces(interfaces); !status.ok()) return convert::throw_status(env, status);
  napi_value out;
  napi_create_array_with_length(env, interfaces.size(), &out);
  for (uint32_t i = 0; i < interfaces.size(); i++) {
    const Interface& from = interfaces[i];
    const auto is = [&](uint32_t flag) { return (from.flags & flag) != 0; };
    const napi_value entry = convert::object(env);
    convert::set(env, entry, "name", std::string_view(from.name));
    convert::set(env, entry, "index", double(from.index));
    convert::set(env, entry, "alias", std::string_view(from.alias));
    convert::set(env, entry, "up", is(IFF_UP));
    convert::set(env, entry, "loopback", is(IFF_LOOPBACK));
    convert::set(env, entry, "multicast", is(IFF_MULTICAST));
    convert::set(env, entry, "pointToPoint", is(IFF_POINTOPOINT));
    convert::set(env, entry, "addresses", addresses_array(env, from.addresses));
    napi_set_element(env, out, i, entry);
  }
  return out;
}

/** The thread stops before what it calls goes, whoever lets go first: `close()`, the collector or the environment. */
struct Watch {
  napi_env env = nullptr;
  napi_threadsafe_function queue = nullptr;
  std::unique_ptr<InterfaceWatch> thread;

  void end() {
    if (queue == nullptr) return;
    thread->stop();
    napi_release_threadsafe_function(queue, napi_tsfn_abort);
    queue = nullptr;
  }
};

void on_exit(void* data) { static_cast<Watch*>(data)->thread->stop(); }

void on_collect(napi_env env, void* data, void*) {
  const std::unique_ptr<Watch> watch(static_cast<Watch*>(data));
  napi_remove_env_cleanup_hook(env, on_exit, watch.get());
  watch->end();
}

napi_value js_close(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  void* data = nullptr;
  if (napi_unwrap(env, arguments.self, &data) == napi_ok && data != nullptr) static_cast<Watch*>(data)->end();
  return nullptr;
}

/** watchInterfaces(onChange): {close()}; `onChange` is called without arguments, and keeps no process alive */
napi_value js_watch_interfaces(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  napi_valuetype type;
  napi_typeof(env, arguments[0], &type);
  if (type != napi_function) {
    convert::refuse(env, "watchInterfaces", "a function");
    return nullptr;
  }
  auto watch = std::make_unique<Watch>();
  watch->env = env;
  // One call that waits is enough: it reads what there is when it runs.
  napi_create_threadsafe_function(env, arguments[0], nullptr, convert::to_js(env, std::string_view("watchInterfaces")), 1, 1, nullptr, nullptr,
                                  nullptr, nullptr, &watch->queue);
  napi_unref_threadsafe_function(env, watch->queue);
  watch->thread = std::make_unique<InterfaceWatch>(
      [queue = watch->queue] { napi_call_threadsafe_function(queue, nullptr, napi_tsfn_nonblocking); });
  if (const Status status = watch->thread->start(); !status.ok()) {
    watch->end();
    return convert::throw_status(env, status);
  }
  const napi_value object = convert::object(env);
  convert::method(env, object, "close", js_close);
  napi_add_env_cleanup_hook(env, on_exit, watch.get());
  napi_wrap(env, object, watch.release(), on_collect, nullptr, nullptr);
  return object;
}

}  // namespace

void register_interfaces(napi_env env, napi_value exports) {
  convert::method(env, exports, "interfaces", js_interfaces);
  convert::method(env, exports, "watchInterfaces", js_watch_interfaces);
}

}  // namespace trellis
