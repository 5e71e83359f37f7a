#include "outbound.h"

#include <arpa/inet.h>

#include <algorithm>

#include "frame.h"
#include "too_big.h"

namespace trellis {
namespace {

constexpr size_t SMALLEST_MTU = 1280;     // of IPv6: nobody is asked to send less
constexpr int64_t ANSWER_EVERY_MS = 10;

/** Whether adding `count` to `first` reaches `limit` now, and not before. */
bool crosses(uint64_t first, size_t count, uint64_t limit) { return first < limit && first + count >= limit; }

/**
 * Makes the checksum of a packet fit for the wire. True when it stays partial, which the peer can finish because it finds
 * the field where the kernel says it is; otherwise it is completed here.
 */
bool keep_partial(const VnetHeader& vnet, uint8_t* packet, size_t size, bool& valid) {
  valid = true;
  if ((vnet.flags & VNET_NEEDS_CHECKSUM) == 0) return false;
  Transport transport;
  if (find_transport(packet, size, transport) && transport.offset == vnet.checksum_start &&
      transport.checksum_offset == vnet.checksum_offset) {
    return true;
  }
  valid = size_t{vnet.checksum_start} + vnet.checksum_offset + 2 <= size;
  if (valid) complete_checksum(packet, size, vnet.checksum_start, vnet.checksum_offset);
  return false;
}

/** Whom a packet without a route may be for: the runtime knows peers by overlay address. Empty for what cannot be one. */
std::string overlay_destination(const uint8_t* packet) {
  if (is_v4(packet) || packet[24] == 0xff || (packet[24] == 0xfe && (packet[25] & 0xc0) == 0x80)) return {};  // multicast, link-local
  char text[INET6_ADDRSTRLEN];
  return inet_ntop(AF_INET6, packet + 24, text, sizeof text);
}

}  // namespace

void Outbound::begin(const Tables& tables, uint64_t releases, int64_t now) {
  tables_ = &tables;
  releases_ = releases;
  now_ = now;
  owners_ = nullptr;
}

void Outbound::resume() {
  for (Waiting::Packet& packet : waiting_.take()) handle(packet.vnet, packet.bytes.data(), packet.bytes.size(), packet.since);
}

void Outbound::handle(const VnetHeader& vnet, uint8_t* packet, size_t size, int64_t since) {
  if (!valid_ip(packet, size) || size + FRAME_OVERHEAD > Batch::CAPACITY) return counters_.drop(Drop::malformed);
  if (!find_target(packet)) return keep(vnet, packet, size, since);
  if (vnet.gso_type == VNET_GSO_NONE) return seal_single(vnet, packet, size);
  if (!plan_split(vnet, packet, size, split_)) return counters_.drop(Drop::malformed);
  seal_segments();
}

void Outbound::finish(bool more) {
  if (more) batch_.hold_unfinished();
  flush();
  leave_target();
  peer_ = nullptr;
}

/** Books what the session has sealed: once per run, since workers share the session's counters. */
void Outbound::leave_target() {
  if (packets_ > 0) {
    target_.session->sent_packets.fetch_add(packets_, std::memory_order_relaxed);
    target_.session->sent_bytes.fetch_add(bytes_, std::memory_order_relaxed);
    counters_.sent_packets.add(packets_);
    counters_.sent_bytes.add(bytes_);
  }
  if (frames_ > 0 && way_.path != 0) sent_on(tables_->relay->states[way_.path], frames_, frame_bytes_);
  packets_ = bytes_ = frames_ = frame_bytes_ = 0;
  target_ = {};
}

void Outbound::flush() {
  if (batch_.bursts() > 0) send_(batch_);
  batch_.clear();
}

/** Whom the packet goes to: chosen among the gateways of a subnet once in a turn and run. */
const Peer* Outbound::owner_of(const uint8_t* packet) {
  const Owners* owners = tables_->routes->find_destination(packet);
  if (owners == nullptr) return nullptr;
  if (owners == owners_) return owner_;
  owners_ = owners;
  owner_ = first_reached(*tables_->relay, *owners, static_cast<uint64_t>(now_) * 1'000'000);
  // The first would be used if it had a session: the runtime may make one.
  if (!owners->peers.empty() && owner_ != owners->peers.front().get() && owners->peers.front()->target().session == nullptr)
    mailbox_.wanted(owners->peers.front()->id, now_);
  return owner_;
}

/** Points `target_` at the session that leads to the packet's destination; false when there is none, or nowhere to send to. */
bool Outbound::find_target(const uint8_t* packet) {
  const Peer* peer = owner_of(packet);
  if (peer == nullptr || peer != peer_) {
    leave_target();
    if (peer != nullptr) target_ = peer->target();
    limit_ = peer != nullptr ? peer->frame_limit.load(std::memory_order_relaxed) : 0;
    const Way before = way_;
    Receiver receiver{target_.endpoint};
    if (peer != nullptr) receiver = {target_.endpoint, peer->relay_number.load(std::memory_order_relaxed), peer->label};
    if (!find_way(*tables_->relay, receiver, Load::data, static_cast<uint64_t>(now_) * 1'000'000, way_)) target_.endpoint = {};
    if (!way_.is_as(before)) batch_.part();
    peer_ = peer;
  }
  return target_.session != nullptr && target_.endpoint.known();
}

/** Tells the runtime that somebody wants to talk to this peer, and keeps the packet until it can be sent. */
void Outbound::keep(const VnetHeader& vnet, const uint8_t* packet, size_t size, int64_t since) {
  const std::string peer = peer_ != nullptr ? peer_->id : overlay_destination(packet);
  if (peer.empty()) return counters_.drop(Drop::no_route);
  mailbox_.wanted(peer, now_);
  if (target_.session != nullptr) return counters_.drop(way_.capped ? Drop::over_cap : Drop::no_endpoint);
  if (!waiting_.keep(peer, {vnet, {packet, packet + size}, since}, releases_)) counters_.drop(Drop::no_session);
}

/** Takes `count` counters of the session in a row; false when its key has sealed all it may. */
bool Outbound::take_counters(size_t count, uint64_t& first) {
  Session& session = *target_.session;
  first = session.next_counter.fetch_add(count, std::memory_order_relaxed);
  if (crosses(first, count, SEAL_SOFT_LIMIT)) mailbox_.event({EventType::exhausted, session.local_index, {}, {}});
  if (first + count <= SEAL_LIMIT) return true;
  counters_.drop(Drop::exhausted, count);
  return false;
}

void Outbound::seal_single(const VnetHeader& vnet, uint8_t* packet, size_t size) {
  bool valid;
  const bool partial = keep_partial(vnet, packet, size, valid);
  uint64_t counter;
  if (!valid) return counters_.drop(Drop::malformed);
  const size_t parts = parts_of(size);
  if (parts > 1) tell_too_big(packet, size);
  if (!take_counters(parts, counter)) return;
  seal(packet, size, counter, partial);
}

void Outbound::seal_segments() {
  uint64_t first;
  const size_t parts = parts_of(segment_size(split_, 0));  // the others are no longer
  if (parts > 1) tell_too_big(lay_out_segment(split_, 0), segment_size(split_, 0));
  if (!take_counters(split_.segments * parts, first)) return;
  const bool slow = split_.transport.protocol == PROTOCOL_TCP && queue_.should_drop(now_);
  if (slow) counters_.drop(Drop::slowed);
  for (uint32_t i = slow ? 1 : 0; i < split_.segments; i++) seal(lay_out_segment(split_, i), segment_size(split_, i), first + i * parts, true);
}

uint8_t* Outbound::reserve(size_t inner) {
  const size_t size = way_.before() + inner + FRAME_OVERHEAD;
  uint8_t* start = batch_.reserve(size);
  if (start == nullptr) {
    flush();
    start = batch_.reserve(size);
  }
  way_.write(start);
  return start + way_.before();
}

/**
 * Tells the sender what goes whole, where that is an MTU that it may be asked for. The packet goes in parts all the same: who hears no
 * errors, or does not mind them, loses nothing.
 */
void Outbound::tell_too_big(const uint8_t* packet, size_t size) {
  const size_t mtu = limit_ - FRAME_OVERHEAD;
  if (mtu < SMALLEST_MTU || now_ < next_answer_ || !answer_) return;
  uint8_t out[TOO_BIG_ROOM];
  const size_t length = write_too_big(packet, size, static_cast<uint32_t>(mtu), out);
  if (length == 0) return;
  next_answer_ = now_ + ANSWER_EVERY_MS;
  answer_(out, length);
}

size_t Outbound::parts_of(size_t size) const {
  if (limit_ == 0 || size + FRAME_OVERHEAD <= limit_) return 1;
  const size_t room = limit_ - FRAME_OVERHEAD;
  return (size + room - 1) / room;
}

void Outbound::seal(const uint8_t* packet, size_t size, uint64_t counter, bool partial) {
  const uint8_t flags = partial ? FLAG_PARTIAL_CHECKSUM : uint8_t{0};
  const size_t parts = parts_of(size);
  if (parts == 1) {
    seal_part(packet, size, counter, flags);
  } else {
    const size_t piece = (size + parts - 1) / parts;
    for (size_t i = 0; i < parts; i++) {
      const uint8_t place = (i + 1 < parts ? FLAG_MORE : 0) | (i > 0 ? FLAG_REST : 0);
      seal_part(packet + i * piece, std::min(piece, size - i * piece), counter + i, flags | place);
    }
  }
  packets_++;
  bytes_ += size;
}

/** Seals from where the device's bytes lie straight into the batch. */
void Outbound::seal_part(const uint8_t* packet, size_t size, uint64_t counter, uint8_t flags) {
  Session& session = *target_.session;
  uint8_t* frame = reserve(size);
  uint8_t nonce[NONCE_SIZE];
  write_nonce(nonce, counter);
  write_header(frame, session.remote_index, counter, flags);
  uint8_t* sealed = frame + HEADER_SIZE;
  if (!session.sealers[worker_]->seal(nonce, frame, HEADER_SIZE, packet, sealed, size, sealed + size)) return counters_.drop(Drop::malformed);
  batch_.commit(way_.to, way_.before() + size + FRAME_OVERHEAD);
  frames_++;
  frame_bytes_ += way_.before() + size + FRAME_OVERHEAD;
}

}  // namespace trellis
