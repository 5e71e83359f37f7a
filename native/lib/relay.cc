#include "relay.h"

#include <arpa/inet.h>

#include <ctime>

namespace trellis {
namespace {

/** The exact one: round trips are measured by it. */
uint64_t clock_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

Endpoint endpoint_of(const relay_neighbour& neighbour) {
  Endpoint endpoint;
  std::memcpy(&endpoint.address, neighbour.address, sizeof endpoint.address);
  endpoint.scope = neighbour.scope;
  endpoint.port = ntohs(neighbour.port);
  return endpoint;
}

bool find_way(const RelayTables& tables, const Endpoint& wanted, uint64_t now, Way& way) {
  way = {wanted, std::nullopt};
  if (!wanted.through_mesh()) return wanted.known();
  relay_hop hop;
  const uint64_t label = load64(wanted.address.s6_addr + 8);
  const bool ours = tables.label != 0 && std::memcmp(&wanted.address, tables.prefix.data(), tables.prefix.size()) == 0;
  if (!ours || !relay_route(&tables, label, now, &hop)) return false;
  relay_words words{0, label, tables.label, 0};
  relay_address(&words, RELAY_TTL, hop.to);
  way = {endpoint_of(*hop.to), words};
  return true;
}

void Relay::begin(const RelayTables& tables, uint64_t now) {
  tables_ = &tables;
  now_ = now;
  decided_ = false;
}

bool Relay::frame(const uint8_t* frame, size_t size, Endpoint& source) {
  if (size <= RELAY_SIZE) {
    counters_.relay[RELAY_VERDICT_SHORT].add(1);
    return false;
  }
  relay_words words;
  std::memcpy(&words, frame, RELAY_SIZE);
  if (!decided_ || std::memcmp(&words, &words_, RELAY_SIZE) != 0) decide(words);
  counters_.relay[verdict_].add(1);
  if (verdict_ == RELAY_VERDICT_FORWARD) forward(frame, size);
  if (verdict_ != RELAY_VERDICT_DELIVER) return false;
  source = {};
  std::memcpy(source.address.s6_addr, tables_->prefix.data(), tables_->prefix.size());
  std::memcpy(source.address.s6_addr + 8, &words.source, sizeof words.source);
  return true;
}

void Relay::decide(const relay_words& words) {
  book();
  batch_.part();
  decided_ = true;
  words_ = onward_ = words;
  verdict_ = relay_decide(tables_, &words, now_, &hop_);
  if (verdict_ != RELAY_VERDICT_FORWARD) return;
  relay_address(&onward_, static_cast<uint8_t>(relay_ttl(&words) - 1), hop_.to);
  to_ = endpoint_of(*hop_.to);
}

void Relay::hello(const uint8_t* frame, size_t size, const Endpoint& from) {
  uint32_t verdict = RELAY_VERDICT_SHORT;
  if (size == RELAY_SIZE) {
    relay_words words;
    std::memcpy(&words, frame, RELAY_SIZE);
    verdict = take_hello(words, from);
  }
  counters_.relay[verdict].add(1);
}

uint32_t Relay::take_hello(const relay_words& words, const Endpoint& from) {
  relay_hop hop;
  if (const uint32_t verdict = hello_sender(tables_, &words, &hop); verdict != RELAY_VERDICT_HEARD) return verdict;
  if (!(endpoint_of(*hop.to) == from)) return RELAY_VERDICT_ELSEWHERE;
  relay_words reply;
  const uint32_t verdict = hello_take(tables_, &words, clock_ns(), &hop, &reply);
  if (verdict != RELAY_VERDICT_REPLY) return verdict;
  batch_.part();
  std::memcpy(reserve(RELAY_SIZE), &reply, RELAY_SIZE);
  batch_.commit(from, RELAY_SIZE);
  batch_.part();
  return verdict;
}

uint8_t* Relay::reserve(size_t size) {
  if (uint8_t* out = batch_.reserve(size); out != nullptr) return out;
  send_(batch_);
  batch_.clear();
  return batch_.reserve(size);
}

void Relay::forward(const uint8_t* frame, size_t size) {
  uint8_t* out = reserve(size);
  std::memcpy(out, &onward_, RELAY_SIZE);
  std::memcpy(out + RELAY_SIZE, frame + RELAY_SIZE, size - RELAY_SIZE);
  batch_.commit(to_, size);
  frames_++;
  bytes_ += size;
}

void Relay::book() {
  if (frames_ > 0) sent_on(tables_->states[hop_.number], frames_, bytes_);
  frames_ = bytes_ = 0;
}

void Relay::finish() {
  if (batch_.bursts() > 0) send_(batch_);
  batch_.clear();
  book();
}

}  // namespace trellis
