#include "tunnel.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <thread>

namespace trellis {
namespace {

constexpr size_t MAX_WORKERS = 16;

size_t worker_count(size_t wanted) {
  const size_t cores = std::max<size_t>(1, std::thread::hardware_concurrency());
  return std::min(wanted == 0 ? std::min<size_t>(cores, 4) : wanted, MAX_WORKERS);
}

int64_t now_ms() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

uint64_t now_ns() { return static_cast<uint64_t>(now_ms()) * 1'000'000; }

}  // namespace

Status Tunnel::open(const TunnelOptions& options) {
  port_ = options.port;
  device_ = options.device;
  interface_ = options.interface;
  in6_addr address;
  if (!options.address.empty()) {
    if (inet_pton(AF_INET6, options.address.c_str(), &address) != 1) return {EINVAL, "overlay address"};
    own_ = options.address;
    relay_.own(address);
    rebuild_relay();
    auto routes = std::make_shared<Routes>();
    routes->own = load_key(address.s6_addr, 16);
    tables_.routes = std::move(routes);
  }
  const size_t count = worker_count(options.workers);
  for (size_t i = 0; i < count; i++) {
    if (const Status status = open_worker(i, false); !status.ok()) {
      workers_.clear();
      return status;
    }
  }
  for (const auto& worker : workers_) {
    if (const Status status = worker->start(); !status.ok()) {
      close();
      return status;
    }
  }
  if (options.address.empty()) return {};
  // Where route netlink is not to be had, links leave as the machine chooses, and carriers are not heard of.
  auto uplinks = std::make_shared<Uplinks>(interface_, device_, port_);
  if (!uplinks->open().ok()) uplinks = nullptr;
  relay_.reach(uplinks);
  pulse_ = std::make_unique<Pulse>(published_, mailbox_, workers_[0]->socket(), std::move(uplinks));
  const Status status = pulse_->start();
  if (!status.ok()) close();
  return status;
}

Status Tunnel::open_worker(size_t index, bool sparse) {
  UdpSocket socket;
  TunQueue tun;
  if (const Status status = socket.open(port_, interface_, index > 0); !status.ok()) return status;
  if (const Status status = socket.share(); !status.ok()) return status;
  port_ = socket.port();
  if (!device_.empty()) {
    if (const Status status = tun.open(device_, index > 0); !status.ok()) return status;
  }
  workers_.push_back(std::make_unique<Worker>(index, sparse, std::move(socket), std::move(tun), published_, waiting_, mailbox_));
  return {};
}

Status Tunnel::steer(const Steering& steering) {
  if (workers_.empty() || device_.empty()) return {ENODEV, "steer"};
  if (!tables_.sessions->empty()) return {EBUSY, "steer"};
  const size_t bulk = workers_.size();
  if (const Status status = open_worker(bulk, true); !status.ok()) return status;
  Worker& worker = *workers_.back();
  Status status = worker.socket().mark_sparse();
  std::shared_ptr<Homes> homes;
  MappedWords cpus;
  if (status.ok()) status = steering.homes(homes);
  if (status.ok()) status = steering.cpus(cpus);
  if (status.ok()) status = steering.attach(worker.tun().descriptor(), worker.socket().descriptor(), static_cast<uint32_t>(bulk));
  if (status.ok()) worker.follow(std::move(cpus));
  if (status.ok()) status = worker.start();
  if (status.ok()) tables_.homes = std::move(homes);
  else workers_.pop_back();
  publish();
  return status;
}

std::vector<int> Tunnel::sockets() const {
  std::vector<int> descriptors;
  for (const auto& worker : workers_) descriptors.push_back(worker->socket().descriptor());
  return descriptors;
}

Status Tunnel::rebind() {
  if (interface_.empty()) return {};
  for (const auto& worker : workers_) {
    if (const Status status = worker->socket().rebind(interface_); !status.ok()) return status;
  }
  return {};
}

void Tunnel::send(const Endpoint& to, const uint8_t* data, size_t size) {
  Way way;
  const auto home = tables_.relay->homes.find(to);
  Receiver receiver = home != tables_.relay->homes.end() ? home->second : Receiver{to};
  if (size == 0 || data[0] != FRAME_CONTROL) receiver.label = 0;  // a handshake is for that place; it may need it to be
  if (workers_.empty() || !find_way(*tables_.relay, receiver, Load::control, now_ns(), way)) return control_failed_.add(1);
  std::vector<uint8_t> relayed(way.before());
  if (way.header.has_value()) {
    way.write(relayed.data());
    relayed.insert(relayed.end(), data, data + size);
    data = relayed.data();
    size = relayed.size();
  }
  if (!workers_[0]->socket().send(way.to, data, size)) control_failed_.add(1);
}

bool Tunnel::install_session(const std::string& id, const SessionKeys& keys, const Endpoint& endpoint) {
  if (keys.local_index == 0 || tables_.sessions->contains(keys.local_index)) return false;
  auto session = std::make_shared<Session>();
  session->local_index = keys.local_index;
  session->remote_index = keys.remote_index;
  for (size_t i = 0; i < std::max<size_t>(1, workers_.size()); i++) {
    session->sealers.push_back(make_sealer(keys.cipher, keys.send));
    session->openers.push_back(make_opener(keys.cipher, keys.receive));
    if (session->sealers.back() == nullptr || session->openers.back() == nullptr) return false;
  }
  if (keys.hop_send != nullptr && keys.hop_receive != nullptr) {
    session->hop.emplace();
    std::copy_n(keys.hop_send, HopKeys::SIZE, session->hop->send.begin());
    std::copy_n(keys.hop_receive, HopKeys::SIZE, session->hop->receive.begin());
  }
  session->peer = peer(id);
  if (endpoint.known()) session->peer->set_endpoint(endpoint);
  auto sessions = std::make_shared<Sessions>(*tables_.sessions);
  sessions->emplace(keys.local_index, std::move(session));
  tables_.sessions = std::move(sessions);
  rebuild_relay();
  publish();
  return true;
}

bool Tunnel::use_session(const std::string& id, uint32_t local_index) {
  const auto found = tables_.sessions->find(local_index);
  if (found == tables_.sessions->end() || found->second->peer->id != id) return false;
  found->second->peer->use(found->second);
  rebuild_relay();
  publish();
  if (waiting_.release(id) && !workers_.empty()) workers_[0]->wake();
  return true;
}

void Tunnel::remove_session(uint32_t local_index) {
  auto sessions = std::make_shared<Sessions>(*tables_.sessions);
  const auto found = sessions->find(local_index);
  if (found == sessions->end()) return;
  found->second->peer->stop(found->second.get());
  sessions->erase(found);
  tables_.sessions = std::move(sessions);
  rebuild_relay();
  publish();
}

void Tunnel::set_endpoint(const std::string& id, const Endpoint& endpoint) {
  peer(id)->set_endpoint(endpoint);
  rebuild_relay();
  publish();
}

void Tunnel::set_terms(std::vector<InterfaceTerms> terms) {
  relay_.set_terms(std::move(terms));
  rebuild_relay();
  publish();
}

void Tunnel::set_places(const std::string& id, std::vector<Endpoint> places) {
  relay_.set_places(id, std::move(places));
  rebuild_relay();
  publish();
}

void Tunnel::remove_peer(const std::string& id) {
  relay_.forget_places(id);
  const auto found = peers_.find(id);
  if (found == peers_.end()) return;
  const std::shared_ptr<Peer> gone = found->second;
  peers_.erase(found);
  gone->use(nullptr);
  auto sessions = std::make_shared<Sessions>(*tables_.sessions);
  std::erase_if(*sessions, [&](const auto& entry) { return entry.second->peer == gone; });
  tables_.sessions = std::move(sessions);
  for (auto& [prefix, owners] : prefixes_) {
    if (!owners->has(gone.get())) continue;
    Owners left = *owners;
    std::erase(left.peers, gone);
    owners = std::make_shared<const Owners>(std::move(left));
  }
  std::erase_if(prefixes_, [](const auto& entry) { return entry.second->peers.empty() && !entry.second->ours; });
  rebuild_relay();
  rebuild_routes();
}

bool Tunnel::allow(const std::string& id, const std::string& text) {
  Prefix prefix;
  if (!parse_prefix(text, prefix)) return false;
  set_owners(prefix, std::make_shared<const Owners>(Owners{{peer(id)}}));
  return true;
}

bool Tunnel::set_subnet(const std::string& text, const std::vector<std::string>& gateways) {
  Prefix prefix;
  if (!parse_prefix(text, prefix)) return false;
  if (gateways.empty()) {
    prefixes_.erase(prefix);
    rebuild_routes();
    return true;
  }
  Owners owners;
  for (const std::string& id : gateways) {
    if (id == own_) owners.ours = true;
    else owners.peers.push_back(peer(id));
  }
  set_owners(prefix, std::make_shared<const Owners>(std::move(owners)));
  return true;
}

void Tunnel::set_owners(const Prefix& prefix, std::shared_ptr<const Owners> owners) {
  auto routes = std::make_shared<Routes>(*tables_.routes);
  prefixes_[prefix] = owners;
  routes->insert(prefix.address, prefix.length, prefix.v4, std::move(owners));
  tables_.routes = std::move(routes);
  publish();
}

bool Tunnel::parse_prefix(const std::string& text, Prefix& prefix) {
  const size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  uint8_t bytes[16] = {};
  prefix.v4 = inet_pton(AF_INET, address.c_str(), bytes) == 1;
  if (!prefix.v4 && inet_pton(AF_INET6, address.c_str(), bytes) != 1) return false;
  const unsigned longest = prefix.v4 ? 32 : 128;
  prefix.length = longest;
  if (slash != std::string::npos) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, prefix.length);
    if (error != std::errc{} || stop != end || prefix.length > longest) return false;
  }
  prefix.address = masked(load_key(bytes, 16), prefix.length);
  return true;
}

std::shared_ptr<Peer> Tunnel::peer(const std::string& id) {
  auto& entry = peers_[id];
  if (entry == nullptr) entry = std::make_shared<Peer>(id);
  return entry;
}

/** A trie cannot forget a prefix: what is left makes a new one. */
void Tunnel::rebuild_routes() {
  auto routes = std::make_shared<Routes>();
  routes->own = tables_.routes->own;
  for (const auto& [prefix, owners] : prefixes_) routes->insert(prefix.address, prefix.length, prefix.v4, owners);
  tables_.routes = std::move(routes);
  publish();
}

Status Tunnel::set_route(const std::string& destination, const std::string& primary, const std::string& backup) {
  if (const Status status = relay_.set_route(destination, primary, backup); !status.ok()) return status;
  rebuild_relay();
  publish();
  return {};
}

void Tunnel::renew_lease(uint64_t ms) { relay_.lease(now_ns() + ms * 1'000'000); }

void Tunnel::mirror(std::shared_ptr<RelayMirror> mirror) {
  relay_.mirror(std::move(mirror));
  rebuild_relay();
  publish();
}

void Tunnel::rebuild_relay() { tables_.relay = relay_.build(*tables_.sessions); }

/** Where a peer that roamed is reached, those learn who relay to it; and what interfaces there are decides what links there are. */
void Tunnel::drain(std::vector<ControlFrame>& control, std::vector<Event>& events) {
  mailbox_.drain(control, events);
  const bool moved = std::any_of(events.begin(), events.end(), [](const Event& event) { return event.type == EventType::moved; });
  if (std::erase_if(events, [](const Event& event) { return event.type == EventType::network; }) == 0 && !moved) return;
  rebuild_relay();
  publish();
}

/** Idle workers are woken so that they let go of the old snapshot, and of the keys in it. */
void Tunnel::publish() {
  published_.publish(tables_);
  for (const auto& worker : workers_) worker->wake();
}

TunnelStats Tunnel::stats() const {
  TunnelStats stats;
  for (const auto& worker : workers_) {
    const Counters& counters = worker->counters();
    if (worker->sparse()) {
      stats.sparse_sent = counters.sent_packets.get();
      stats.sparse_received = counters.received_packets.get();
    }
    stats.sent_packets += counters.sent_packets.get();
    stats.sent_bytes += counters.sent_bytes.get();
    stats.received_packets += counters.received_packets.get();
    stats.received_bytes += counters.received_bytes.get();
    for (size_t i = 0; i < stats.drops.size(); i++) stats.drops[i] += counters.drops[i].get();
    for (size_t i = 0; i < stats.relay.size(); i++) stats.relay[i] += counters.relay[i].get();
  }
  stats.drops[static_cast<size_t>(Drop::send_failed)] += control_failed_.get();
  stats.links = relay_.links(now_ns());
  const int64_t now = now_ms();
  for (const auto& [index, session] : *tables_.sessions) {
    const int64_t last = session->last_received.load(std::memory_order_relaxed);
    stats.sessions.push_back({index, session->sent_packets.load(std::memory_order_relaxed), session->sent_bytes.load(std::memory_order_relaxed),
                              session->received_packets.load(std::memory_order_relaxed),
                              session->received_bytes.load(std::memory_order_relaxed), last < 0 ? -1 : std::max<int64_t>(0, now - last)});
  }
  return stats;
}

void Tunnel::stop() {
  for (const auto& worker : workers_) worker->stop();
}

void Tunnel::join() {
  if (pulse_ != nullptr) pulse_->stop();
  for (const auto& worker : workers_) worker->join();
}

void Tunnel::close() {
  stop();
  join();
  pulse_.reset();
  workers_.clear();
  for (const auto& [id, peer] : peers_) peer->use(nullptr);  // peer and session hold each other
  peers_.clear();
  prefixes_.clear();
  waiting_.clear();
  relay_.clear();
  tables_ = {};
  published_.publish(tables_);
}

}  // namespace trellis
