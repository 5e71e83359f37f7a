// The tunnel and its AEAD for JavaScript: conversions only.
#include "tunnel.h"

#include <net/if.h>

#include <memory>
#include <optional>

#include "convert.h"
#include "module.h"
#include "relay.h"

namespace trellis {
namespace {

using convert::Arguments;

/**
 * A tunnel and the two functions it calls back. JavaScript's object, the callback queue and a running close each may be the
 * last to let go of it, so they share it.
 */
struct Handle {
  napi_env env = nullptr;
  napi_threadsafe_function queue = nullptr;
  napi_ref on_control = nullptr;
  napi_ref on_event = nullptr;
  std::unique_ptr<Tunnel> tunnel;
  bool closing = false;
};
using Shared = std::shared_ptr<Handle>;

/** The handle behind `this`; null with a pending TypeError. */
Handle* handle_of(napi_env env, napi_value self) {
  void* data = nullptr;
  if (napi_unwrap(env, self, &data) == napi_ok && data != nullptr) return static_cast<Shared*>(data)->get();
  convert::refuse(env, "this method", "a Tunnel as `this`");
  return nullptr;
}

/** The tunnel behind `this`; null, silently, once it closes: what comes late finds nothing to act on. */
Tunnel* tunnel_of(napi_env env, napi_value self) {
  Handle* handle = handle_of(env, self);
  return handle != nullptr && !handle->closing ? handle->tunnel.get() : nullptr;
}

// ---- from C++ to JavaScript

napi_value endpoint_object(napi_env env, const Endpoint& endpoint) {
  napi_value object = convert::object(env);
  convert::set(env, object, "address", format_address(endpoint));
  convert::set(env, object, "port", double(endpoint.port));
  return object;
}

napi_value control_array(napi_env env, const std::vector<ControlFrame>& frames) {
  napi_value array;
  napi_create_array_with_length(env, frames.size(), &array);
  for (size_t i = 0; i < frames.size(); i++) {
    napi_value frame = endpoint_object(env, frames[i].from);
    convert::set(env, frame, "payload", convert::copy_bytes(env, frames[i].payload));
    napi_set_element(env, array, static_cast<uint32_t>(i), frame);
  }
  return array;
}

napi_value event_object(napi_env env, const Event& event) {
  napi_value object = event.endpoint.known() ? endpoint_object(env, event.endpoint) : convert::object(env);
  constexpr const char* NAMES[] = {"moved", "exhausted", "wanted", "silent", "alive", "place", "linkSilent", "linkAlive", "carries", "standsStill", "goesOn", "network"};
  convert::set(env, object, "type", NAMES[static_cast<size_t>(event.type)]);
  if (!event.peer.empty()) convert::set(env, object, "peer", std::string_view(event.peer));
  else convert::set(env, object, "localIndex", double(event.local_index));
  return object;
}

void call(napi_env env, napi_ref callback, napi_value argument) {
  napi_value function;
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) != napi_ok || pending) return;
  if (napi_get_reference_value(env, callback, &function) != napi_ok || function == nullptr) return;
  napi_call_function(env, convert::undefined(env), function, 1, &argument, nullptr);
}

/** Runs on JavaScript's thread after workers filled the mailbox. */
void deliver(napi_env env, napi_value, void* context, void*) {
  const Shared handle = *static_cast<Shared*>(context);
  if (env == nullptr || handle->closing) return;
  std::vector<ControlFrame> control;
  std::vector<Event> events;
  handle->tunnel->drain(control, events);
  if (!control.empty()) call(env, handle->on_control, control_array(env, control));
  for (const Event& event : events) call(env, handle->on_event, event_object(env, event));
}

napi_value counts(napi_env env, uint64_t packets, uint64_t bytes) {
  napi_value object = convert::object(env);
  convert::set(env, object, "packets", double(packets));
  convert::set(env, object, "bytes", double(bytes));
  return object;
}

napi_value session_object(napi_env env, const SessionCount& session) {
  napi_value object = convert::object(env);
  convert::set(env, object, "localIndex", double(session.local_index));
  convert::set(env, object, "sentPackets", double(session.sent_packets));
  convert::set(env, object, "sentBytes", double(session.sent_bytes));
  convert::set(env, object, "receivedPackets", double(session.received_packets));
  convert::set(env, object, "receivedBytes", double(session.received_bytes));
  convert::set(env, object, "idleMs", session.idle_ms < 0 ? convert::undefined(env) : convert::to_js(env, double(session.idle_ms)));
  return object;
}

napi_value link_object(napi_env env, const LinkCount& link) {
  const auto ms = [&](uint64_t ns) { return link.round_trip != 0 ? convert::to_js(env, double(ns) / 1e6) : convert::undefined(env); };
  char name[IF_NAMESIZE];
  napi_value object = endpoint_object(env, link.to);
  convert::set(env, object, "peer", std::string_view(link.peer));
  const bool named = link.via != 0 && if_indextoname(link.via, name) != nullptr;
  convert::set(env, object, "interface", named ? convert::to_js(env, std::string_view(name)) : convert::undefined(env));
  convert::set(env, object, "carries", link.carries);
  convert::set(env, object, "silent", link.silent);
  convert::set(env, object, "cost", double(link.cost));
  convert::set(env, object, "metered", link.metered);
  convert::set(env, object, "capped", link.capped);
  convert::set(env, object, "still", link.still);
  convert::set(env, object, "lastRoundTripMs", ms(link.round_trip));
  convert::set(env, object, "roundTripMs", ms(link.smoothed));
  convert::set(env, object, "jitterMs", ms(link.jitter));
  convert::set(env, object, "lostOut", double(link.lost_there) / 256);
  convert::set(env, object, "lostIn", double(link.lost_here) / 256);
  convert::set(env, object, "frames", double(link.frames));
  convert::set(env, object, "bytes", double(link.bytes));
  return object;
}

napi_value links_array(napi_env env, const std::vector<LinkCount>& links) {
  napi_value array;
  napi_create_array_with_length(env, links.size(), &array);
  for (size_t i = 0; i < links.size(); i++) napi_set_element(env, array, static_cast<uint32_t>(i), link_object(env, links[i]));
  return array;
}

napi_value stats_object(napi_env env, const TunnelStats& stats) {
  napi_value object = convert::object(env);
  napi_value drops = convert::object(env);
  napi_value sessions;
  napi_create_array_with_length(env, stats.sessions.size(), &sessions);
  for (size_t i = 0; i < stats.drops.size(); i++) convert::set(env, drops, DROP_NAMES[i], double(stats.drops[i]));
  for (size_t i = 0; i < stats.sessions.size(); i++) {
    napi_set_element(env, sessions, static_cast<uint32_t>(i), session_object(env, stats.sessions[i]));
  }
  convert::set(env, object, "sent", counts(env, stats.sent_packets, stats.sent_bytes));
  convert::set(env, object, "received", counts(env, stats.received_packets, stats.received_bytes));
  napi_value sparse = convert::object(env);
  convert::set(env, sparse, "sent", double(stats.sparse_sent));
  convert::set(env, sparse, "received", double(stats.sparse_received));
  convert::set(env, object, "sparse", sparse);
  convert::set(env, object, "drops", drops);
  convert::set(env, object, "relay", convert::numbers(env, stats.relay));
  convert::set(env, object, "links", links_array(env, stats.links));
  convert::set(env, object, "sessions", sessions);
  return object;
}

// ---- from JavaScript to C++

constexpr int64_t MAX_U32 = 0xffffffff;

/** What goes to a link-local address of an interface that has gone fails when it is sent, as where no route leads. */
std::string on_no_interface(const std::string& address) { return address.substr(0, address.find('%')) + "%2147483647"; }

std::optional<Endpoint> endpoint(napi_env env, napi_value address, napi_value port) {
  const auto text = convert::string(env, address, "address");
  if (!text) return std::nullopt;
  const auto number = convert::integer(env, port, 0, 65535, "port");
  if (!number) return std::nullopt;
  Endpoint parsed;
  const auto parse = [&](const std::string& from) { return parse_endpoint(from, static_cast<uint32_t>(*number), parsed); };
  if (!parse(*text) && (text->find('%') == std::string::npos || !parse(on_no_interface(*text)))) {
    return convert::refuse(env, "address", "an IP address, with port 0 an overlay address");
  }
  return parsed;
}

std::optional<Endpoint> endpoint_of(napi_env env, napi_value object) {
  return endpoint(env, convert::property(env, object, "address"), convert::property(env, object, "port"));
}

std::optional<Cipher> cipher(napi_env env, napi_value value) {
  const auto name = convert::string(env, value, "aead");
  Cipher parsed;
  if (!name) return std::nullopt;
  if (!parse_cipher(*name, parsed)) return convert::refuse(env, "aead", "aes-256-gcm or chacha20-poly1305");
  return parsed;
}

std::optional<std::span<uint8_t>> sized(napi_env env, napi_value value, size_t size, const char* what, const char* wanted) {
  const auto data = convert::bytes(env, value, what);
  if (data && data->size() != size) return convert::refuse(env, what, wanted);
  return data;
}

std::optional<std::string> optional(napi_env env, napi_value value, const char* name) {
  return convert::is_undefined(env, value) ? std::string() : convert::string(env, value, name);
}

std::optional<std::string> optional_string(napi_env env, napi_value object, const char* name) {
  return optional(env, convert::property(env, object, name), name);
}

std::optional<TunnelOptions> tunnel_options(napi_env env, napi_value object) {
  const auto port = convert::integer(env, convert::property(env, object, "port"), 0, 65535, "port");
  if (!port) return std::nullopt;
  const auto interface = optional_string(env, object, "interface");
  if (!interface) return std::nullopt;
  const auto device = optional_string(env, object, "device");
  if (!device) return std::nullopt;
  const auto workers = convert::integer(env, convert::property(env, object, "workers"), 0, 64, "workers");
  if (!workers) return std::nullopt;
  const auto address = optional_string(env, object, "address");
  if (!address) return std::nullopt;
  return TunnelOptions{static_cast<uint16_t>(*port), *interface, *device, static_cast<size_t>(*workers), *address};
}

// ---- methods

napi_value send(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  uint32_t count = 0;
  if (tunnel == nullptr) return nullptr;
  if (napi_get_array_length(env, arguments[0], &count) != napi_ok) {
    convert::refuse(env, "send", "an array of datagrams");
    return nullptr;
  }
  for (uint32_t i = 0; i < count; i++) {
    napi_value datagram;
    napi_get_element(env, arguments[0], i, &datagram);
    const auto to = endpoint_of(env, datagram);
    if (!to) return nullptr;
    const auto payload = convert::bytes(env, convert::property(env, datagram, "payload"), "payload");
    if (!payload) return nullptr;
    tunnel->send(*to, payload->data(), payload->size());
  }
  return nullptr;
}

napi_value install_session(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  if (tunnel == nullptr) return nullptr;
  const auto field = [&](const char* name) { return convert::property(env, arguments[0], name); };
  const auto peer = convert::string(env, field("peer"), "peer");
  if (!peer) return nullptr;
  const auto local = convert::integer(env, field("localIndex"), 1, MAX_U32, "localIndex");
  if (!local) return nullptr;
  const auto remote = convert::integer(env, field("remoteIndex"), 0, MAX_U32, "remoteIndex");
  if (!remote) return nullptr;
  const auto aead = cipher(env, field("aead"));
  if (!aead) return nullptr;
  const auto send_key = sized(env, field("sendKey"), KEY_SIZE, "sendKey", "32 bytes");
  if (!send_key) return nullptr;
  const auto receive_key = sized(env, field("receiveKey"), KEY_SIZE, "receiveKey", "32 bytes");
  if (!receive_key) return nullptr;
  const auto hop_send = sized(env, field("hopSendKey"), HopKeys::SIZE, "hopSendKey", "16 bytes");
  if (!hop_send) return nullptr;
  const auto hop_receive = sized(env, field("hopReceiveKey"), HopKeys::SIZE, "hopReceiveKey", "16 bytes");
  if (!hop_receive) return nullptr;
  const auto to = endpoint_of(env, arguments[0]);
  if (!to) return nullptr;
  const SessionKeys keys{static_cast<uint32_t>(*local), static_cast<uint32_t>(*remote), *aead,           send_key->data(),
                         receive_key->data(),           hop_send->data(),               hop_receive->data()};
  if (!tunnel->install_session(*peer, keys, *to)) convert::throw_status(env, {EEXIST, "installSession"});
  return nullptr;
}

napi_value use_session(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  if (tunnel == nullptr) return nullptr;
  const auto peer = convert::string(env, arguments[0], "peer");
  if (!peer) return nullptr;
  const auto index = convert::integer(env, arguments[1], 0, MAX_U32, "localIndex");
  if (index && !tunnel->use_session(*peer, static_cast<uint32_t>(*index))) convert::throw_status(env, {ENOENT, "useSession"});
  return nullptr;
}

napi_value remove_session(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  if (tunnel == nullptr) return nullptr;
  const auto index = convert::integer(env, arguments[0], 0, MAX_U32, "localIndex");
  if (index) tunnel->remove_session(static_cast<uint32_t>(*index));
  return nullptr;
}

napi_value set_endpoint(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  if (tunnel == nullptr) return nullptr;
  const auto peer = convert::string(env, arguments[0], "peer");
  if (!peer) return nullptr;
  const auto to = endpoint(env, arguments[1], arguments[2]);
  if (to) tunnel->set_endpoint(*peer, *to);
  return nullptr;
}

/** setTerms({name, cost, metered, limit}[]): `limit` is undefined where there is none */
napi_value set_terms(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  uint32_t count = 0;
  if (tunnel == nullptr) return nullptr;
  if (napi_get_array_length(env, arguments[0], &count) != napi_ok) {
    convert::refuse(env, "setTerms", "an array of terms");
    return nullptr;
  }
  constexpr int64_t MOST = int64_t{1} << 53;
  std::vector<InterfaceTerms> terms;
  for (uint32_t i = 0; i < count; i++) {
    napi_value given;
    napi_get_element(env, arguments[0], i, &given);
    InterfaceTerms read;
    const auto name = convert::string(env, convert::property(env, given, "name"), "name");
    if (!name) return nullptr;
    const auto cost = convert::integer(env, convert::property(env, given, "cost"), 0, 1'000'000, "cost");
    if (!cost) return nullptr;
    napi_get_value_bool(env, convert::property(env, given, "metered"), &read.metered);
    read.name = *name;
    read.cost = static_cast<uint32_t>(*cost);
    const napi_value limit = convert::property(env, given, "limit");
    if (!convert::is_undefined(env, limit)) {
      const auto bytes = convert::integer(env, limit, 0, MOST, "limit");
      if (!bytes) return nullptr;
      read.limit = static_cast<uint64_t>(*bytes);
    }
    terms.push_back(std::move(read));
  }
  tunnel->set_terms(std::move(terms));
  return nullptr;
}

/** interfaceBytes(name) -> number, or undefined when there is no such interface */
napi_value js_interface_bytes(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const auto name = convert::string(env, arguments[0], "name");
  if (!name) return nullptr;
  const uint32_t device = if_nametoindex(name->c_str());
  const auto bytes = device == 0 ? std::nullopt : interface_bytes(device);
  return bytes ? convert::to_js(env, double(*bytes)) : convert::undefined(env);
}

/** setPlaces(peer, endpoints): those on an interface that is not there are left out */
napi_value set_places(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  uint32_t count = 0;
  if (tunnel == nullptr) return nullptr;
  const auto peer = convert::string(env, arguments[0], "peer");
  if (!peer) return nullptr;
  if (napi_get_array_length(env, arguments[1], &count) != napi_ok) {
    convert::refuse(env, "setPlaces", "an array of endpoints");
    return nullptr;
  }
  std::vector<Endpoint> places;
  for (uint32_t i = 0; i < count; i++) {
    napi_value place;
    napi_get_element(env, arguments[1], i, &place);
    const auto address = convert::string(env, convert::property(env, place, "address"), "address");
    if (!address) return nullptr;
    const auto port = convert::integer(env, convert::property(env, place, "port"), 1, 65535, "port");
    if (!port) return nullptr;
    Endpoint parsed;
    if (parse_endpoint(*address, static_cast<uint32_t>(*port), parsed)) places.push_back(parsed);
  }
  tunnel->set_places(*peer, std::move(places));
  return nullptr;
}

/** limitFrames(peer, bytes) */
napi_value limit_frames(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  if (tunnel == nullptr) return nullptr;
  const auto peer = convert::string(env, arguments[0], "peer");
  if (!peer) return nullptr;
  const auto bytes = convert::integer(env, arguments[1], 0, 65535, "bytes");
  if (!bytes) return nullptr;
  if (*bytes != 0 && *bytes < 256) {
    convert::refuse(env, "bytes", "0, or 256 to 65535");
    return nullptr;
  }
  tunnel->limit_frames(*peer, static_cast<uint32_t>(*bytes));
  return nullptr;
}

napi_value remove_peer(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  if (tunnel == nullptr) return nullptr;
  const auto peer = convert::string(env, arguments[0], "peer");
  if (peer) tunnel->remove_peer(*peer);
  return nullptr;
}

napi_value allow(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  if (tunnel == nullptr) return nullptr;
  const auto peer = convert::string(env, arguments[0], "peer");
  if (!peer) return nullptr;
  const auto prefix = convert::string(env, arguments[1], "prefix");
  if (prefix && !tunnel->allow(*peer, *prefix)) convert::refuse(env, "prefix", "an address and a length, such as fd00::1/128");
  return nullptr;
}

/** setSubnet(prefix, gateways) */
napi_value set_subnet(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  if (tunnel == nullptr) return nullptr;
  const auto prefix = convert::string(env, arguments[0], "prefix");
  if (!prefix) return nullptr;
  uint32_t count = 0;
  if (napi_get_array_length(env, arguments[1], &count) != napi_ok) {
    convert::refuse(env, "gateways", "an array of overlay addresses");
    return nullptr;
  }
  std::vector<std::string> gateways;
  for (uint32_t i = 0; i < count; i++) {
    napi_value item;
    napi_get_element(env, arguments[1], i, &item);
    const auto gateway = convert::string(env, item, "gateway");
    if (!gateway) return nullptr;
    gateways.push_back(*gateway);
  }
  if (!tunnel->set_subnet(*prefix, gateways)) convert::refuse(env, "prefix", "an address and a length, such as 10.1.0.0/16");
  return nullptr;
}

/** setRoute(destination, primary, backup): either neighbour may be undefined, both take the route away */
napi_value set_route(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  if (tunnel == nullptr) return nullptr;
  const auto destination = convert::string(env, arguments[0], "destination");
  if (!destination) return nullptr;
  const auto primary = optional(env, arguments[1], "primary");
  if (!primary) return nullptr;
  const auto backup = optional(env, arguments[2], "backup");
  if (!backup) return nullptr;
  const Status status = tunnel->set_route(*destination, *primary, *backup);
  return status.ok() ? nullptr : convert::throw_status(env, status);
}

/** renewLease(ms) */
napi_value renew_lease(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  if (tunnel == nullptr) return nullptr;
  const auto ms = convert::integer(env, arguments[0], 0, MAX_U32, "ms");
  if (ms) tunnel->renew_lease(static_cast<uint64_t>(*ms));
  return nullptr;
}

/** steer(objectBytes): gives sparse flows a worker of their own; throws with the verifier's log in the message */
napi_value steer(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  if (tunnel == nullptr) return nullptr;
  const auto object = convert::bytes(env, arguments[0], "object");
  if (!object) return nullptr;
  std::unique_ptr<Steering> steering;
  std::string log;
  Status status = Steering::load(*object, steering, log);
  if (status.ok()) status = tunnel->steer(*steering);
  return status.ok() ? nullptr : convert::throw_status(env, status, log);
}

/** checkSteering(objectBytes): throws as `steer` would when the kernel does not take the program */
napi_value check_steering(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const auto object = convert::bytes(env, arguments[0], "object");
  if (!object) return nullptr;
  std::unique_ptr<Steering> steering;
  std::string log;
  const Status status = Steering::load(*object, steering, log);
  return status.ok() ? nullptr : convert::throw_status(env, status, log);
}

/** mirror(relay): from now on the kernel has the tunnel's relay tables too */
napi_value mirror(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  if (tunnel == nullptr) return nullptr;
  if (auto relay = relay_of(env, arguments[0])) tunnel->mirror(std::move(relay));
  return nullptr;
}

/** rebind(): throws ENODEV while the interface is not there */
napi_value rebind(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  Tunnel* tunnel = tunnel_of(env, arguments.self);
  if (tunnel == nullptr) return nullptr;
  const Status status = tunnel->rebind();
  return status.ok() ? nullptr : convert::throw_status(env, status);
}

napi_value stats(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const Handle* handle = handle_of(env, arguments.self);
  if (handle == nullptr) return nullptr;
  return stats_object(env, handle->tunnel->stats());
}

/** sockets() -> descriptors; none once the tunnel closes */
napi_value sockets(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const Tunnel* tunnel = tunnel_of(env, arguments.self);
  const std::vector<int> descriptors = tunnel == nullptr ? std::vector<int>() : tunnel->sockets();
  napi_value out;
  napi_create_array_with_length(env, descriptors.size(), &out);
  for (uint32_t i = 0; i < descriptors.size(); i++) napi_set_element(env, out, i, convert::to_js(env, double(descriptors[i])));
  return out;
}

// ---- life and death

/** Frees what the handle holds, on JavaScript's thread, after the workers have ended. */
void release(Handle& handle) {
  if (handle.queue == nullptr) return;
  handle.tunnel->close();
  napi_release_threadsafe_function(handle.queue, napi_tsfn_abort);
  handle.queue = nullptr;
  napi_delete_reference(handle.env, handle.on_control);
  napi_delete_reference(handle.env, handle.on_event);
}

/** The environment ends with the tunnel open: its workers must not outlive it. */
void on_exit(void* data) {
  Handle& handle = **static_cast<Shared*>(data);
  handle.closing = true;
  handle.tunnel->close();
}

/** The object was collected. Its callbacks can reach nobody any more. */
void on_collect(napi_env env, void* data, void*) {
  const std::unique_ptr<Shared> shared(static_cast<Shared*>(data));
  napi_remove_env_cleanup_hook(env, on_exit, shared.get());
  (*shared)->closing = true;
  release(**shared);
}

struct Closing {
  Shared handle;
  napi_deferred deferred;
  napi_async_work work;
};

void join(napi_env, void* data) { static_cast<Closing*>(data)->handle->tunnel->join(); }

void joined(napi_env env, napi_status, void* data) {
  const std::unique_ptr<Closing> closing(static_cast<Closing*>(data));
  release(*closing->handle);
  napi_resolve_deferred(env, closing->deferred, convert::undefined(env));
  napi_delete_async_work(env, closing->work);
}

napi_value close(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  void* data = nullptr;
  if (handle_of(env, arguments.self) == nullptr || napi_unwrap(env, arguments.self, &data) != napi_ok) return nullptr;
  const Shared& handle = *static_cast<Shared*>(data);
  auto closing = std::make_unique<Closing>(Closing{handle, nullptr, nullptr});
  napi_value promise;
  napi_create_promise(env, &closing->deferred, &promise);
  if (handle->closing) {
    napi_resolve_deferred(env, closing->deferred, convert::undefined(env));
    return promise;
  }
  handle->closing = true;
  handle->tunnel->stop();
  napi_create_async_work(env, nullptr, convert::to_js(env, std::string_view("closeTunnel")), join, joined, closing.get(), &closing->work);
  napi_queue_async_work(env, closing.release()->work);
  return promise;
}

void forget_queue(napi_env, void*, void* context) { delete static_cast<Shared*>(context); }

napi_value tunnel_object(napi_env env, const Shared& handle) {
  napi_value object = convert::object(env);
  auto owner = std::make_unique<Shared>(handle);
  napi_add_env_cleanup_hook(env, on_exit, owner.get());
  napi_wrap(env, object, owner.release(), on_collect, nullptr, nullptr);
  convert::set(env, object, "port", double(handle->tunnel->port()));
  const std::string& device = handle->tunnel->device();
  convert::set(env, object, "device", device.empty() ? convert::undefined(env) : convert::to_js(env, std::string_view(device)));
  convert::method(env, object, "send", send);
  convert::method(env, object, "installSession", install_session);
  convert::method(env, object, "useSession", use_session);
  convert::method(env, object, "removeSession", remove_session);
  convert::method(env, object, "setEndpoint", set_endpoint);
  convert::method(env, object, "setPlaces", set_places);
  convert::method(env, object, "setTerms", set_terms);
  convert::method(env, object, "removePeer", remove_peer);
  convert::method(env, object, "limitFrames", limit_frames);
  convert::method(env, object, "allow", allow);
  convert::method(env, object, "setSubnet", set_subnet);
  convert::method(env, object, "setRoute", set_route);
  convert::method(env, object, "renewLease", renew_lease);
  convert::method(env, object, "steer", steer);
  convert::method(env, object, "mirror", mirror);
  convert::method(env, object, "rebind", rebind);
  convert::method(env, object, "stats", stats);
  convert::method(env, object, "sockets", sockets);
  convert::method(env, object, "close", close);
  return object;
}

/** openTunnel(options, onControl, onEvent) -> Tunnel */
napi_value open_tunnel(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  const auto options = tunnel_options(env, arguments[0]);
  if (!options) return nullptr;
  for (const size_t i : {1, 2}) {
    napi_valuetype type;
    napi_typeof(env, arguments[i], &type);
    if (type == napi_function) continue;
    convert::refuse(env, "openTunnel", "two functions after its options");
    return nullptr;
  }
  auto handle = std::make_shared<Handle>();
  handle->env = env;
  Handle* raw = handle.get();  // the workers end before the handle does
  // At most one call waits: the mailbox is told only when it was empty, and is emptied by each call.
  handle->tunnel = std::make_unique<Tunnel>([raw] { napi_call_threadsafe_function(raw->queue, nullptr, napi_tsfn_nonblocking); });
  napi_create_reference(env, arguments[1], 1, &handle->on_control);
  napi_create_reference(env, arguments[2], 1, &handle->on_event);
  auto context = std::make_unique<Shared>(handle);
  napi_create_threadsafe_function(env, nullptr, nullptr, convert::to_js(env, std::string_view("tunnel")), 0, 1, nullptr, forget_queue,
                                  context.get(), deliver, &handle->queue);
  context.release();
  if (const Status status = handle->tunnel->open(*options); !status.ok()) {
    release(*handle);
    return convert::throw_status(env, status);
  }
  return tunnel_object(env, handle);
}

// ---- the AEAD alone

/** measureAead() -> {aes256Gcm, chacha20Poly1305} in MB/s */
napi_value measure_aead(napi_env env, napi_callback_info) {
  napi_value rates = convert::object(env);
  convert::set(env, rates, "aes256Gcm", seal_rate(Cipher::aes256_gcm));
  convert::set(env, rates, "chacha20Poly1305", seal_rate(Cipher::chacha20_poly1305));
  return rates;
}

/** aeadOffers() -> {aead, library, rate}[], the fastest of each AEAD first */
napi_value list_offers(napi_env env, napi_callback_info) {
  const auto& offers = aead_offers();
  napi_value out;
  napi_create_array_with_length(env, offers.size(), &out);
  for (uint32_t i = 0; i < offers.size(); i++) {
    const napi_value offer = convert::object(env);
    convert::set(env, offer, "aead", name_of(offers[i].cipher));
    convert::set(env, offer, "library", std::string_view(offers[i].library->name()));
    convert::set(env, offer, "rate", offers[i].rate);
    napi_set_element(env, out, i, offer);
  }
  return out;
}

struct Once {
  Cipher cipher;
  const AeadLibrary* library;
  std::span<uint8_t> key, nonce, aad, data;
};

/** The library of this name, or the fastest when none is named; null with a pending TypeError when it does not offer the AEAD. */
const AeadLibrary* library(napi_env env, Cipher cipher, napi_value name) {
  const auto wanted = convert::is_undefined(env, name) ? std::string() : convert::string(env, name, "library");
  if (!wanted) return nullptr;
  for (const AeadOffer& offer : aead_offers()) {
    if (offer.cipher == cipher && (wanted->empty() || offer.library->name() == *wanted)) return offer.library;
  }
  convert::refuse(env, "library", "the name of one that offers this AEAD");
  return nullptr;
}

std::optional<Once> once_arguments(napi_env env, napi_callback_info info) {
  const Arguments<6> arguments(env, info);
  const auto aead = cipher(env, arguments[0]);
  if (!aead) return std::nullopt;
  const AeadLibrary* by = library(env, *aead, arguments[5]);
  if (by == nullptr) return std::nullopt;
  const auto key = sized(env, arguments[1], KEY_SIZE, "key", "32 bytes");
  if (!key) return std::nullopt;
  const auto nonce = sized(env, arguments[2], NONCE_SIZE, "nonce", "12 bytes");
  if (!nonce) return std::nullopt;
  const auto aad = convert::bytes(env, arguments[3], "aad");
  if (!aad) return std::nullopt;
  const auto data = convert::bytes(env, arguments[4], "data");
  if (!data) return std::nullopt;
  return Once{*aead, by, *key, *nonce, *aad, *data};
}

/** sealOnce(aead, key, nonce, aad, data, library?) -> ciphertext and tag */
napi_value seal_once(napi_env env, napi_callback_info info) {
  const auto once = once_arguments(env, info);
  if (!once) return nullptr;
  std::vector<uint8_t> out(once->data.begin(), once->data.end());
  const size_t size = out.size();
  out.resize(size + TAG_SIZE);
  const auto sealer = once->library->sealer(once->cipher, once->key.data());
  if (sealer == nullptr || !sealer->seal(once->nonce.data(), once->aad.data(), once->aad.size(), out.data(), out.data(), size, out.data() + size)) {
    return convert::throw_status(env, {ENOTSUP, "sealOnce"});
  }
  return convert::copy_bytes(env, out);
}

/** openOnce(aead, key, nonce, aad, data, library?) -> plaintext, or undefined when the tag is wrong or `data` is shorter than one */
napi_value open_once(napi_env env, napi_callback_info info) {
  const auto once = once_arguments(env, info);
  if (!once) return nullptr;
  if (once->data.size() < TAG_SIZE) return convert::undefined(env);
  std::vector<uint8_t> out(once->data.begin(), once->data.end());
  const size_t size = out.size() - TAG_SIZE;
  const auto opener = once->library->opener(once->cipher, once->key.data());
  if (opener == nullptr) return convert::throw_status(env, {ENOTSUP, "openOnce"});
  const bool good = opener->open(once->nonce.data(), once->aad.data(), once->aad.size(), out.data(), size, out.data() + size);
  return good ? convert::copy_bytes(env, std::span(out.data(), size)) : convert::undefined(env);
}

}  // namespace

void register_tunnel(napi_env env, napi_value exports) {
  convert::method(env, exports, "openTunnel", open_tunnel);
  convert::method(env, exports, "checkSteering", check_steering);
  convert::method(env, exports, "measureAead", measure_aead);
  convert::method(env, exports, "interfaceBytes", js_interface_bytes);
  convert::method(env, exports, "aeadOffers", list_offers);
  convert::method(env, exports, "sealOnce", seal_once);
  convert::method(env, exports, "openOnce", open_once);
}

}  // namespace trellis
