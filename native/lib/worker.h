// One thread that owns a TUN queue and a socket, in both directions.
#pragma once
#include <atomic>
#include <thread>

#include "busy_poll.h"
#include "inbound.h"
#include "outbound.h"
#include "relay.h"
#include "tun.h"
#include "udp.h"
#include "urgency.h"

namespace trellis {

class Worker final : private Sink {
 public:
  /** `tun` may be closed: then the worker serves the socket only. One for `sparse` flows runs as soon as there is something to do. */
  Worker(size_t index, bool sparse, UdpSocket socket, TunQueue tun, const Published& published, Waiting& waiting, Mailbox& mailbox);
  ~Worker() override { join(); }

  Status start();

  /** Makes the thread look again: at new tables, or at the wish to stop. */
  void wake();
  void stop();
  void join();

  bool sparse() const { return sparse_; }
  const Counters& counters() const { return counters_; }
  UdpSocket& socket() { return socket_; }
  const TunQueue& tun() const { return tun_; }

 private:
  void run();
  void took(bool received, bool sent);
  void wait();
  bool send_turn(uint64_t releases);
  bool receive_turn();
  void take(const Received& message);
  bool refused_packet();
  void answer(uint8_t* packet, size_t size);
  void write(const iovec* pieces, int count, size_t packets) override;

  UdpSocket socket_;
  TunQueue tun_;
  const Published& published_;
  Waiting& waiting_;
  Counters counters_;
  Relay relay_;
  Inbound inbound_;
  Outbound outbound_;
  ReceiveRing ring_;
  std::unique_ptr<uint8_t[]> packet_;

  std::shared_ptr<const Tables> tables_;
  uint64_t version_ = 0;
  const size_t index_;
  bool device_;  // the TUN queue still answers
  const bool sparse_;
  Urgency urgency_;
  BusyPoll poll_;
  int busy_ = 0;  // turns since it slept

  Descriptor wake_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace trellis
