// Whole tunnels over loopback, without a TUN device: threads, tables that change under them, sharing of a port.
#include "tunnel.h"

#include <chrono>
#include <thread>

#include "check.h"
#include "frame.h"

namespace trellis::test {
namespace {

const std::string PEER = "fd00::2";
const uint8_t KEY[KEY_SIZE] = {5};

TunnelOptions two_workers() {
  TunnelOptions options;
  options.workers = 2;
  return options;
}

SessionKeys keys(uint32_t index) { return {index, index, Cipher::aes256_gcm, KEY, KEY}; }

Endpoint loopback(uint16_t port) {
  Endpoint endpoint;
  parse_endpoint("127.0.0.1", port, endpoint);
  return endpoint;
}

std::vector<uint8_t> keepalive(Sealer& sealer, uint32_t index, uint64_t counter) {
  std::vector<uint8_t> frame(FRAME_OVERHEAD);
  uint8_t nonce[NONCE_SIZE];
  write_header(frame.data(), index, counter, 0);
  write_nonce(nonce, counter);
  sealer.seal(nonce, frame.data(), HEADER_SIZE, nullptr, nullptr, 0, frame.data() + HEADER_SIZE);
  return frame;
}

/** Waits for something that the workers will do; false after far longer than that can take. */
template <typename Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

uint64_t drops(const Tunnel& tunnel, Drop reason) { return tunnel.stats().drops[static_cast<size_t>(reason)]; }

}  // namespace

TEST("the workers of a tunnel share its port, and a second tunnel is refused it") {
  Tunnel first([] {}), second([] {});
  CHECK(first.open(two_workers()).ok() && first.port() != 0);
  TunnelOptions same = two_workers();
  same.port = first.port();
  CHECK(second.open(same).number == EADDRINUSE);
  first.close();
  CHECK(second.open(same).ok());
}

TEST("frames arrive at a session for as long as it is installed") {
  Tunnel sender([] {}), receiver([] {});
  CHECK(sender.open(two_workers()).ok() && receiver.open(two_workers()).ok());
  const auto sealer = make_sealer(Cipher::aes256_gcm, KEY);
  const auto send = [&](uint64_t counter) {
    const std::vector<uint8_t> frame = keepalive(*sealer, 7, counter);
    sender.send(loopback(receiver.port()), frame.data(), frame.size());
  };
  CHECK(receiver.install_session(PEER, keys(7), loopback(9)));
  CHECK(!receiver.install_session(PEER, keys(7), loopback(9)));
  send(0);
  CHECK(eventually([&] { return receiver.stats().received_packets == 1; }));
  CHECK(receiver.stats().sessions.size() == 1 && receiver.stats().sessions[0].received_packets == 1);
  receiver.remove_session(7);
  send(1);
  CHECK(eventually([&] { return drops(receiver, Drop::no_session) == 1; }));
  CHECK(receiver.install_session(PEER, keys(7), loopback(9)));
  receiver.remove_peer(PEER);
  send(2);
  CHECK(eventually([&] { return drops(receiver, Drop::no_session) == 2; }));
}

TEST("tables may change under workers that use them") {
  Tunnel receiver([] {});
  CHECK(receiver.open(two_workers()).ok());
  std::atomic<bool> stop{false};
  std::vector<std::thread> senders;
  for (uint32_t index = 1; index <= 2; index++) {
    senders.emplace_back([&, index] {
      Tunnel sender([] {});
      CHECK(sender.open({}).ok());
      const auto sealer = make_sealer(Cipher::aes256_gcm, KEY);
      for (uint64_t counter = 0; !stop; counter++) {
        const std::vector<uint8_t> frame = keepalive(*sealer, 1 + (index + counter) % 3, counter);
        sender.send(loopback(receiver.port()), frame.data(), frame.size());
      }
    });
  }
  for (uint32_t round = 0; round < 300; round++) {
    const std::string peer = "fd00::" + std::to_string(1 + round % 5);
    const uint32_t index = 1 + round % 3;
    receiver.install_session(peer, keys(index), loopback(9));
    receiver.use_session(peer, index);
    CHECK(receiver.allow(peer, peer + "/128"));
    receiver.set_endpoint(peer, loopback(static_cast<uint16_t>(1000 + round)));
    receiver.stats();
    if (round % 2 == 0) receiver.remove_session(1 + (round + 1) % 3);
    if (round % 7 == 0) receiver.remove_peer(peer);
    std::vector<ControlFrame> control;
    std::vector<Event> events;
    receiver.drain(control, events);
  }
  CHECK(eventually([&] { return receiver.stats().received_packets > 0; }));
  stop = true;
  for (std::thread& sender : senders) sender.join();
  receiver.close();
}

TEST("prefixes are an address and a length that fits it") {
  Tunnel tunnel([] {});
  struct Row {
    const char* prefix;
    bool want;
  };
  for (const Row& row : std::vector<Row>{
           {"fd00::1", true}, {"fd00::1/128", true}, {"::/0", true}, {"10.0.0.0/8", true}, {"0.0.0.0/0", true}, {"10.0.0.1/32", true},
           {"fd00::1/129", false}, {"10.0.0.0/33", false}, {"10.0.0.0/-1", false}, {"10.0.0.0/ 8", false}, {"10.0.0.0/", false},
           {"/8", false}, {"", false}, {"fd00::g/64", false}, {"10.0.0.0/8/8", false}, {"fe80::1%lo/64", false},
       }) {
    CHECK_CASE(tunnel.allow(PEER, row.prefix) == row.want, row.prefix);
  }
}

TEST("endpoints are read and written in their usual form") {
  for (const char* text : {"192.0.2.1", "2001:db8::1", "::1", "fe80::1%lo", "fe80::ffff"}) {
    Endpoint endpoint;
    CHECK_CASE(parse_endpoint(text, 5000, endpoint) && format_address(endpoint) == text, text);
    sockaddr_storage address;
    socklen_t size;
    CHECK_CASE(to_socket(endpoint, AF_INET6, address, size) && from_socket(address) == endpoint, text);
    CHECK_CASE(to_socket(endpoint, AF_INET, address, size) == endpoint.is_v4(), text);
  }
  for (const char* text : {"", "nowhere", "1.2.3", "fe80::1%", "fe80::1%nosuchinterface", "2001:db8::1/64"}) {
    Endpoint endpoint;
    CHECK_CASE(!parse_endpoint(text, 5000, endpoint), text);
  }
}

}  // namespace trellis::test
