// Glue for routes of the kernel (kernel_routes.h).
#include "kernel_routes.h"

#include <optional>

#include "convert.h"
#include "module.h"

namespace trellis {
namespace {

/** `10.1.0.0/16`, or an address alone. */
bool parse_prefix(const std::string& text, LinkAddress& out) {
  const size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  const bool v6 = address.find(':') != std::string::npos;
  int length = v6 ? 128 : 32;
  if (slash != std::string::npos) {
    const std::string digits = text.substr(slash + 1);
    if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos) return false;
    length = std::stoi(digits);
  }
  return length <= 128 && parse_link_address(address, static_cast<uint8_t>(length), out);
}

std::optional<LinkAddress> prefix_argument(napi_env env, napi_value value, const char* what) {
  const auto text = convert::string(env, value, what);
  if (!text) return std::nullopt;
  LinkAddress parsed;
  if (!parse_prefix(*text, parsed)) return convert::refuse(env, what, "an address, with a length where it is a prefix");
  return parsed;
}

/** addRoute(device, port, prefix, source?) */
napi_value js_add_route(napi_env env, napi_callback_info info) {
  const convert::Arguments<4> arguments(env, info);
  const auto device = convert::string(env, arguments[0], "device");
  if (!device) return nullptr;
  const auto port = convert::integer(env, arguments[1], 1, 65535, "port");
  if (!port) return nullptr;
  const auto prefix = prefix_argument(env, arguments[2], "prefix");
  if (!prefix) return nullptr;
  KernelRoute route{*device, *prefix, false, {}};
  if (!convert::is_undefined(env, arguments[3])) {
    const auto source = prefix_argument(env, arguments[3], "source");
    if (!source) return nullptr;
    if (source->family != prefix->family) {
      convert::refuse(env, "source", "an address of the prefix's family");
      return nullptr;
    }
    route.has_source = true;
    route.source = *source;
  }
  const Status status = add_route(route, static_cast<uint16_t>(*port));
  return status.ok() ? nullptr : convert::throw_status(env, status, *device);
}

/** removeRoute(device, prefix) */
napi_value js_remove_route(napi_env env, napi_callback_info info) {
  const convert::Arguments<2> arguments(env, info);
  const auto device = convert::string(env, arguments[0], "device");
  if (!device) return nullptr;
  const auto prefix = prefix_argument(env, arguments[1], "prefix");
  if (!prefix) return nullptr;
  const Status status = remove_route({*device, *prefix, false, {}});
  return status.ok() ? nullptr : convert::throw_status(env, status, *device);
}

/** endRoutes(device) */
napi_value js_end_routes(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  const auto device = convert::string(env, arguments[0], "device");
  if (!device) return nullptr;
  const Status status = end_routes(*device);
  return status.ok() ? nullptr : convert::throw_status(env, status, *device);
}

/** findRoute(address): {device, prefixLength, dead}; undefined where there is none */
napi_value js_find_route(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  const auto address = prefix_argument(env, arguments[0], "address");
  if (!address) return nullptr;
  FoundRoute found;
  if (const Status status = find_route(*address, found); !status.ok()) return convert::throw_status(env, status);
  if (found.device.empty()) return convert::undefined(env);
  const napi_value out = convert::object(env);
  convert::set(env, out, "device", std::string_view(found.device));
  convert::set(env, out, "prefixLength", double(found.prefix_length));
  convert::set(env, out, "dead", found.dead);
  return out;
}

}  // namespace

void register_kernel_routes(napi_env env, napi_value exports) {
  convert::method(env, exports, "addRoute", js_add_route);
  convert::method(env, exports, "removeRoute", js_remove_route);
  convert::method(env, exports, "endRoutes", js_end_routes);
  convert::method(env, exports, "findRoute", js_find_route);
}

}  // namespace trellis
