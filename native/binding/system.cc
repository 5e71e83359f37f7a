// Glue for links (netlink.h), memory (memory.h) and for what the machine lets us do (host.h).
#include <linux/capability.h>

#include "convert.h"
#include "host.h"
#include "memory.h"
#include "module.h"
#include "netlink.h"

namespace trellis {
namespace {

/** configureLink({name, mtu, address, prefixLength, alias?}) */
napi_value js_configure_link(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  const auto read = [&](const char* key) { return convert::property(env, arguments[0], key); };
  const auto name = convert::string(env, read("name"), "name");
  if (!name) return nullptr;
  const auto mtu = convert::integer(env, read("mtu"), 68, 65535, "mtu");
  if (!mtu) return nullptr;
  const auto text = convert::string(env, read("address"), "address");
  if (!text) return nullptr;
  const auto prefix_length = convert::integer(env, read("prefixLength"), 0, 128, "prefixLength");
  if (!prefix_length) return nullptr;
  LinkSettings settings{*name, static_cast<uint32_t>(*mtu), {}, {}};
  if (!parse_link_address(*text, static_cast<uint8_t>(*prefix_length), settings.address)) {
    convert::refuse(env, "address", "an IP address and a prefix length no longer than it");
    return nullptr;
  }
  if (const napi_value alias = read("alias"); !convert::is_undefined(env, alias)) {
    const auto given = convert::string(env, alias, "alias");
    if (!given) return nullptr;
    settings.alias = *given;
  }
  const Status status = configure_link(settings);
  return status.ok() ? nullptr : convert::throw_status(env, status, settings.name);
}

/** linkExists(name): boolean */
napi_value js_link_exists(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  const auto name = convert::string(env, arguments[0], "name");
  return name ? convert::to_js(env, link_exists(*name)) : nullptr;
}

/** deleteLink(name): whether there was one */
napi_value js_delete_link(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  const auto name = convert::string(env, arguments[0], "name");
  if (!name) return nullptr;
  const Status status = delete_link(*name);
  if (status.number == ENODEV) return convert::to_js(env, false);
  return status.ok() ? convert::to_js(env, true) : convert::throw_status(env, status, *name);
}

/** findLinks(aliasPrefix): {name, alias}[] */
napi_value js_find_links(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  const auto prefix = convert::string(env, arguments[0], "aliasPrefix");
  if (!prefix) return nullptr;
  std::vector<OwnedLink> links;
  if (const Status status = find_links(*prefix, links); !status.ok()) return convert::throw_status(env, status);
  napi_value out;
  napi_create_array_with_length(env, links.size(), &out);
  for (uint32_t i = 0; i < links.size(); i++) {
    const napi_value link = convert::object(env);
    convert::set(env, link, "name", std::string_view(links[i].name));
    convert::set(env, link, "alias", std::string_view(links[i].alias));
    napi_set_element(env, out, i, link);
  }
  return out;
}

/** peerCredentials(fd): {pid, uid, gid} */
napi_value js_peer_credentials(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  const auto fd = convert::integer(env, arguments[0], 0, INT32_MAX, "fd");
  if (!fd) return nullptr;
  Credentials credentials{};
  const Status status = peer_credentials(static_cast<int>(*fd), credentials);
  if (!status.ok()) return convert::throw_status(env, status);
  const napi_value out = convert::object(env);
  convert::set(env, out, "pid", double(credentials.pid));
  convert::set(env, out, "uid", double(credentials.uid));
  convert::set(env, out, "gid", double(credentials.gid));
  return out;
}

/** notifySystemd(message): whether somebody was told */
napi_value js_notify_systemd(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  const auto message = convert::string(env, arguments[0], "message");
  if (!message) return nullptr;
  bool told = false;
  const Status status = notify_service_manager(*message, told);
  return status.ok() ? convert::to_js(env, told) : convert::throw_status(env, status);
}

/** releaseCode(): bytes that were resident */
napi_value js_release_code(napi_env env, napi_callback_info) {
  uint64_t bytes = 0;
  const Status status = release_code(bytes);
  return status.ok() ? convert::to_js(env, double(bytes)) : convert::throw_status(env, status);
}

/** releaseTablesFor(ms) */
napi_value js_release_tables_for(napi_env env, napi_callback_info info) {
  const convert::Arguments<1> arguments(env, info);
  const auto ms = convert::integer(env, arguments[0], 1, 60'000, "ms");
  if (!ms) return nullptr;
  const Status status = release_tables_for(static_cast<uint64_t>(*ms) * 1'000'000);
  return status.ok() ? nullptr : convert::throw_status(env, status);
}

void set_probe(napi_env env, napi_value out, const char* name, Probe probe) {
  const char* error = probe.ok() ? "" : strerrorname_np(probe.error);
  convert::set(env, out, name, std::string_view(error ? error : "EUNKNOWN"));
}

/** probe(): see HostFacts in runtime/dataplane/addon.io.ts; a refused feature is the name of its errno, a granted one "" */
napi_value js_probe(napi_env env, napi_callback_info) {
  const HostFacts facts = probe_host();
  const napi_value out = convert::object(env);
  const auto has = [&](int capability) { return ((facts.capabilities >> capability) & 1) != 0; };
  convert::set(env, out, "capNetAdmin", has(CAP_NET_ADMIN));
  convert::set(env, out, "capNetRaw", has(CAP_NET_RAW));
  convert::set(env, out, "capSysAdmin", has(CAP_SYS_ADMIN));
  convert::set(env, out, "capBpf", has(39));  // CAP_BPF, kernel 5.8
  set_probe(env, out, "tunOpen", facts.tun_open);
  set_probe(env, out, "tunCreate", facts.tun_create);
  set_probe(env, out, "tunOffload", facts.tun_offload);
  set_probe(env, out, "tunUso", facts.tun_uso);
  set_probe(env, out, "udpSegment", facts.udp_segment);
  set_probe(env, out, "udpGro", facts.udp_gro);
  set_probe(env, out, "bpf", facts.bpf);
  convert::set(env, out, "libcrypto", std::string_view(facts.libcrypto));
  convert::set(env, out, "libbpf", std::string_view(facts.libbpf));
  convert::set(env, out, "ipsecMbLacks", std::string_view(facts.ipsec_mb_lacks));
  napi_value cpu;
  napi_create_array_with_length(env, facts.cpu.size(), &cpu);
  for (uint32_t i = 0; i < facts.cpu.size(); i++)
    napi_set_element(env, cpu, i, convert::to_js(env, std::string_view(facts.cpu[i])));
  convert::set(env, out, "cpu", cpu);
  return out;
}

}  // namespace

void register_system(napi_env env, napi_value exports) {
  convert::method(env, exports, "configureLink", js_configure_link);
  convert::method(env, exports, "linkExists", js_link_exists);
  convert::method(env, exports, "deleteLink", js_delete_link);
  convert::method(env, exports, "findLinks", js_find_links);
  convert::method(env, exports, "peerCredentials", js_peer_credentials);
  convert::method(env, exports, "notifySystemd", js_notify_systemd);
  convert::method(env, exports, "releaseCode", js_release_code);
  convert::method(env, exports, "releaseTablesFor", js_release_tables_for);
  convert::method(env, exports, "probe", js_probe);
}

}  // namespace trellis
