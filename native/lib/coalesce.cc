#include "coalesce.h"

#include <cstring>

#include "checksum.h"

namespace trellis {
namespace {

constexpr uint8_t TCP_PSH = 0x08;
constexpr uint8_t TCP_ACK = 0x10;
constexpr size_t MAX_IP = 65535;

bool same(const uint8_t* a, const uint8_t* b, size_t from, size_t to) { return std::memcmp(a + from, b + from, to - from) == 0; }

bool same_flow(const uint8_t* a, const Transport& at, const uint8_t* b, const Transport& bt) {
  if (at.protocol != bt.protocol || is_v4(a) != is_v4(b)) return false;
  const bool addresses = is_v4(a) ? same(a, b, 12, 20) : same(a, b, 8, 40);
  return addresses && std::memcmp(a + at.offset, b + bt.offset, 4) == 0;
}

/** Whether everything in the IP header that all packets of a superpacket share is the same. */
bool same_network(const uint8_t* head, const uint8_t* packet, size_t header, int position) {
  if (!is_v4(head)) return same(head, packet, 0, 4) && same(head, packet, 6, 8) && same(head, packet, 40, header);
  constexpr uint8_t DONT_FRAGMENT = 0x40;
  const bool fixed = same(head, packet, 0, 2) && same(head, packet, 6, 10) && same(head, packet, 20, header);
  // With DF the identification means nothing (RFC 6864 §4.1); without it segmentation will count up from the first.
  const bool identified = (head[6] & DONT_FRAGMENT) != 0 || static_cast<uint16_t>(load16(head + 4) + position) == load16(packet + 4);
  return fixed && identified;
}

/** Acknowledgement, header length, window, urgent pointer and options; sequence, flags and checksum are looked at elsewhere. */
bool same_tcp(const uint8_t* head, const uint8_t* tcp, size_t header) {
  return same(head, tcp, 8, 13) && same(head, tcp, 14, 16) && same(head, tcp, 18, header);
}

/** A TCP packet that only carries data: SYN, FIN, RST, URG and the ECN flags keep their own packet. */
bool plain_data(const uint8_t* tcp) { return (tcp[13] & ~TCP_PSH) == TCP_ACK; }

}  // namespace

bool Coalescer::add(uint8_t* packet, size_t size, bool partial) {
  Transport transport;
  if (!find_transport(packet, size, transport)) {
    if (partial) return false;
    write_single(packet, size, nullptr);
    return true;
  }
  const size_t header = size_t{transport.offset} + transport.header;
  const bool tcp = transport.protocol == PROTOCOL_TCP;
  const bool joins = size > header && (tcp ? plain_data(packet + transport.offset) : udp_) &&
                     (partial || checksum_holds(packet, size, transport));
  Run* run = find(packet, transport);
  if (joins && run != nullptr && append(*run, packet, size, transport)) return true;
  if (run != nullptr) remove(*run);
  if (joins) begin(packet, size, transport, partial);
  else write_single(packet, size, partial ? &transport : nullptr);
  return true;
}

Coalescer::Run* Coalescer::find(const uint8_t* packet, const Transport& transport) {
  for (size_t i = 0; i < used_; i++) {
    if (same_flow(runs_[i].packet, runs_[i].transport, packet, transport)) return &runs_[i];
  }
  return nullptr;
}

void Coalescer::begin(uint8_t* packet, size_t size, const Transport& transport, bool partial) {
  if (used_ == MAX_RUNS) flush();
  Run& run = runs_[used_++];
  const size_t header = size_t{transport.offset} + transport.header;
  run.packet = packet;
  run.transport = transport;
  run.header = header;
  run.segment = size - header;
  run.size = size;
  run.next_sequence = load32(packet + transport.offset + 4) + static_cast<uint32_t>(size - header);
  run.count = 1;
  run.partial = partial;
  run.pieces[1] = {packet, size};
}

/** Joins the packet to its flow's run if it continues it; writes the run when nothing can follow any more. */
bool Coalescer::append(Run& run, uint8_t* packet, size_t size, const Transport& transport) {
  const size_t payload = size - run.header;
  const uint8_t* head = run.packet + run.transport.offset;
  const uint8_t* next = packet + transport.offset;
  if (transport.offset != run.transport.offset || transport.header != run.transport.header) return false;
  if (payload > run.segment || run.size + payload > MAX_IP) return false;
  if (!same_network(run.packet, packet, transport.offset, run.count)) return false;
  const bool tcp = transport.protocol == PROTOCOL_TCP;
  if (tcp && (load32(next + 4) != run.next_sequence || !same_tcp(head, next, transport.header))) return false;
  const bool push = tcp && (next[13] & TCP_PSH) != 0;
  run.pieces[++run.count] = {packet + run.header, payload};
  run.size += payload;
  run.next_sequence += static_cast<uint32_t>(payload);
  if (push) run.packet[run.transport.offset + 13] |= TCP_PSH;
  if (payload < run.segment || run.count == static_cast<int>(MAX_SEGMENTS)) remove(run);
  return true;
}

void Coalescer::write(Run& run) {
  if (run.count == 1) {
    write_single(run.packet, run.pieces[1].iov_len, run.partial ? &run.transport : nullptr);
    return;
  }
  const bool tcp = run.transport.protocol == PROTOCOL_TCP;
  const uint8_t type = !tcp ? VNET_GSO_UDP : is_v4(run.packet) ? VNET_GSO_TCP4 : VNET_GSO_TCP6;
  store_lengths(run.packet, run.size);
  if (!tcp) store16(run.packet + run.transport.offset + 4, static_cast<uint16_t>(run.size - run.transport.offset));
  store_partial(run.packet, run.size, run.transport);
  VnetHeader vnet{VNET_NEEDS_CHECKSUM, type, static_cast<uint16_t>(run.header), static_cast<uint16_t>(run.segment),
                  run.transport.offset, run.transport.checksum_offset};
  run.pieces[0] = {&vnet, sizeof vnet};
  sink_.write(run.pieces, run.count + 1, static_cast<size_t>(run.count));
}

void Coalescer::write_single(uint8_t* packet, size_t size, const Transport* partial) {
  VnetHeader vnet{};
  if (partial != nullptr) {
    vnet = {VNET_NEEDS_CHECKSUM, VNET_GSO_NONE, 0, 0, partial->offset, partial->checksum_offset};
  }
  const iovec pieces[2] = {{&vnet, sizeof vnet}, {packet, size}};
  sink_.write(pieces, 2, 1);
}

void Coalescer::remove(Run& run) {
  write(run);
  const size_t index = static_cast<size_t>(&run - runs_.data());
  used_--;
  if (index != used_) runs_[index] = runs_[used_];
}

void Coalescer::flush() {
  for (size_t i = 0; i < used_; i++) write(runs_[i]);
  used_ = 0;
}

}  // namespace trellis
