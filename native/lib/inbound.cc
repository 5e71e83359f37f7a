#include "inbound.h"

namespace trellis {
namespace {

/** A TCP packet long enough to be one of many. */
bool is_bulk(const uint8_t* packet, size_t size) { return size >= 1000 && packet[is_v4(packet) ? 9 : 6] == PROTOCOL_TCP; }

Arrival accept(Session& session, uint64_t counter) {
  const std::lock_guard lock(session.receive);
  return session.window.accept(counter);
}

}  // namespace

void Inbound::begin(const Tables& tables, int64_t now) {
  tables_ = &tables;
  now_ = now;
  if (relay_ != nullptr) relay_->begin(*tables.relay, static_cast<uint64_t>(now) * 1'000'000);
}

void Inbound::frame(uint8_t* frame, size_t size, const Endpoint& from, const in6_addr& to) {
  Endpoint source;
  if (!from.direct()) return counters_.drop(Drop::malformed);  // source port 0: it would pass for an endpoint in the mesh
  if (size == 0 || relay_ == nullptr) return take(frame, size, from);
  if (frame[0] == FRAME_HELLO) return relay_->hello(frame, size, from, to);
  if (frame[0] != FRAME_RELAY) return take(frame, size, from);
  if (relay_->frame(frame, size, source)) take(frame + RELAY_SIZE, size - RELAY_SIZE, source);
}

/** Takes a frame that is for us, wherever it came from. */
void Inbound::take(uint8_t* frame, size_t size, const Endpoint& from) {
  switch (size > 0 ? frame[0] : 0) {
    case FRAME_DATA: return data(frame, size, from);
    case FRAME_HANDSHAKE:
    case FRAME_ACKNOWLEDGE:
    case FRAME_COOKIE:
    case FRAME_CONTROL:
      if (size > MAX_CONTROL) return counters_.drop(Drop::malformed);
      if (!mailbox_.control(from, frame, size)) counters_.drop(Drop::control_full);
      return;
    default: return counters_.drop(Drop::malformed);
  }
}

void Inbound::finish() {
  leave();
  if (relay_ != nullptr) relay_->finish();
  coalescer_.flush();
  joined_.clear();
}

void Inbound::data(uint8_t* frame, size_t size, const Endpoint& from) {
  SealedHeader header;
  if (!read_header(frame, size, header)) return counters_.drop(Drop::malformed);
  if (!find(header.receiver)) return counters_.drop(Drop::no_session);
  if (!open(header, frame, size, from)) return;
  const size_t inner = size - FRAME_OVERHEAD;
  if ((header.flags & (FLAG_MORE | FLAG_REST)) != 0) return join(header, frame + HEADER_SIZE, inner);
  if (inner > 0) deliver(frame + HEADER_SIZE, inner, (header.flags & FLAG_PARTIAL_CHECKSUM) != 0);
}

/** What is joined lies here until the device has it. */
void Inbound::join(const SealedHeader& header, const uint8_t* data, size_t size) {
  Joiner::Joined joined;
  {
    const std::lock_guard lock(session_->receive);
    if (!session_->joiner.add(header.counter, header.flags, data, size, joined)) return;
  }
  joined_.push_back(std::move(joined.packet));
  deliver(joined_.back().data(), joined_.back().size(), joined.partial);
}

/** Points `session_` at the session of a frame; they come in runs. */
bool Inbound::find(uint32_t index) {
  if (session_ != nullptr && session_->local_index == index) return true;
  leave();
  const auto found = tables_->sessions->find(index);
  if (found == tables_->sessions->end()) return false;
  session_ = found->second.get();
  known_ = session_->peer->endpoint();
  return true;
}

void Inbound::leave() {
  if (session_ == nullptr) return;
  if (packets_ > 0) {
    session_->received_packets.fetch_add(packets_, std::memory_order_relaxed);
    session_->received_bytes.fetch_add(bytes_, std::memory_order_relaxed);
    session_->last_received.store(now_, std::memory_order_relaxed);
  }
  counters_.received_packets.add(packets_);
  counters_.received_bytes.add(bytes_);
  packets_ = bytes_ = 0;
  session_ = nullptr;
}

bool Inbound::open(const SealedHeader& header, uint8_t* frame, size_t size, const Endpoint& from) {
  const auto refuse = [&](Drop reason) {
    counters_.drop(reason);
    return false;
  };
  if (header.counter >= SEAL_LIMIT) return refuse(Drop::exhausted);
  const size_t inner = size - FRAME_OVERHEAD;
  uint8_t nonce[NONCE_SIZE];
  write_nonce(nonce, header.counter);
  uint8_t* data = frame + HEADER_SIZE;
  if (!session_->openers[worker_]->open(nonce, frame, HEADER_SIZE, data, inner, data + inner)) return refuse(Drop::auth);
  const Arrival arrival = accept(*session_, header.counter);
  if (arrival == Arrival::refused) return refuse(Drop::replay);
  if (arrival == Arrival::newest && from.direct() && !(from == known_)) follow(from);  // what others relayed says nothing about it
  packets_++;
  bytes_ += inner;
  return true;
}

/** Whether the peer has answered there. */
bool Inbound::is_link(const Endpoint& from) const {
  const relay_neighbour* neighbour = relay_find_neighbour(tables_->relay.get(), session_->peer->relay_number.load(std::memory_order_relaxed));
  if (neighbour == nullptr) return false;
  for (uint32_t i = 0; i < paths_of(*neighbour); i++) {
    const relay_path& path = neighbour->paths[i];
    if (endpoint_of(path).is_at(from) && state_field(tables_->relay->states[path.state].asked) != 0) return true;
  }
  return false;
}

/**
 * The peer is where it was not known to be. Only its newest frame can tell: an older one may have been held back on the path it left.
 * From the end of a link, which answers for itself, it says nothing: a peer uses its links as it likes.
 */
void Inbound::follow(const Endpoint& from) {
  known_ = from;
  if (is_link(from)) return;
  session_->peer->set_endpoint(from);
  mailbox_.event({EventType::moved, session_->local_index, from, {}});
}

void Inbound::deliver(uint8_t* packet, size_t size, bool partial) {
  if (!valid_ip(packet, size)) return counters_.drop(Drop::malformed);
  const Owners* source = tables_->routes->find_source(packet);
  if (source == nullptr || !source->has(session_->peer.get())) return counters_.drop(Drop::source);
  if (!tables_->routes->takes(packet)) return counters_.drop(Drop::destination);
  if (!device_) return counters_.drop(Drop::no_device);
  if (is_bulk(packet, size) && queue_.should_drop(now_)) return counters_.drop(Drop::slowed);
  if (!coalescer_.add(packet, size, partial)) counters_.drop(Drop::malformed);
}

}  // namespace trellis
