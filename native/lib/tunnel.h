// The tunnel as the runtime sees it: workers, peers, sessions and routes behind one door. All methods are for one thread.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mailbox.h"
#include "pulse.h"
#include "relay_book.h"
#include "stats.h"
#include "steering.h"
#include "tables.h"
#include "worker.h"

namespace trellis {

struct TunnelOptions {
  uint16_t port = 0;        // 0: the kernel chooses
  std::string interface;    // empty: all
  std::string device;       // TUN name; empty: no TUN
  size_t workers = 0;       // 0: by cores
  std::string address;      // ours in the overlay; empty: nothing goes through the mesh
};

struct SessionKeys {
  uint32_t local_index;
  uint32_t remote_index;
  Cipher cipher;
  const uint8_t* send;     // KEY_SIZE bytes each
  const uint8_t* receive;
  const uint8_t* hop_send = nullptr;     // HopKeys::SIZE bytes each; null: nothing is relayed by this session
  const uint8_t* hop_receive = nullptr;
};

struct SessionCount {
  uint32_t local_index;
  uint64_t sent_packets, sent_bytes, received_packets, received_bytes;
  int64_t idle_ms;  // since the last authenticated packet; -1 before the first
};

struct TunnelStats {
  uint64_t sent_packets = 0, sent_bytes = 0, received_packets = 0, received_bytes = 0;
  uint64_t sparse_sent = 0, sparse_received = 0;  // packets among these that the worker for sparse flows carried
  std::array<uint64_t, static_cast<size_t>(Drop::count)> drops{};
  std::array<uint64_t, RELAY_VERDICTS> relay{};  // frames by verdict
  std::vector<SessionCount> sessions;
  std::vector<LinkCount> links;
};

class Tunnel {
 public:
  /** `notify` is called from any worker when `drain` has something to give. */
  explicit Tunnel(std::function<void()> notify) : mailbox_(std::move(notify)) {}
  ~Tunnel() { close(); }

  Status open(const TunnelOptions& options);
  /**
   * Gives sparse flows a worker of their own, with a queue and a socket, so that they do not stand behind bulk flows, neither here
   * nor at peers that do the same. Before the first session; EBUSY afterwards, ENODEV without a TUN device.
   */
  Status steer(const Steering& steering);
  uint16_t port() const { return port_; }
  const std::string& device() const { return device_; }
  /** Descriptors of the workers' sockets, for a filter to attach to; they stay the tunnel's. */
  std::vector<int> sockets() const;

  /** Binds the sockets again to the interface that they were opened for; does nothing when they were opened for all. */
  Status rebind();

  /** Sends a control frame; it may be lost like any datagram, and is counted then. */
  void send(const Endpoint& to, const uint8_t* data, size_t size);

  /** Accepts frames of a session from now on. False when the index is taken or zero, or the cipher is not offered. */
  bool install_session(const std::string& peer, const SessionKeys& keys, const Endpoint& endpoint);
  /** Seals to `peer` with this session from now on; false when it is not one of the peer's. */
  bool use_session(const std::string& peer, uint32_t local_index);
  void remove_session(uint32_t local_index);
  void set_endpoint(const std::string& peer, const Endpoint& endpoint);
  /** What holds of interfaces from now on. */
  void set_terms(std::vector<InterfaceTerms> terms);
  /** Where else the peer may be: each place is asked under the keys of its session, and carries when the others are silent. */
  void set_places(const std::string& peer, std::vector<Endpoint> places);
  /** Largest data frame to this peer, bytes; 0 for no limit. */
  void limit_frames(const std::string& id, uint32_t bytes) { peer(id)->frame_limit.store(bytes, std::memory_order_relaxed); }

  void remove_peer(const std::string& peer);
  /** `prefix` is an address with an optional length, e.g. `fd00::1/128` or `10.1.0.0/16`; the last owner wins. False if it is neither. */
  bool allow(const std::string& peer, const std::string& prefix);

  /**
   * The same for a subnet that several gateways announce: packets to it go to the first that is reached, and may come from any. With our own
   * address among them they end here too. None of them: it is nobody's.
   */
  bool set_subnet(const std::string& prefix, const std::vector<std::string>& gateways);

  /** What goes through the mesh to the overlay address `destination` goes to the peer `primary` or `backup`; see RelayBook. */
  Status set_route(const std::string& destination, const std::string& primary, const std::string& backup);
  /** Neighbours are answered in our name for so long, also while this process stands still. Before the first lease nobody is. */
  void renew_lease(uint64_t ms);
  /** Shows the relay's tables to the kernel, now and whenever they change. */
  void mirror(std::shared_ptr<RelayMirror> mirror);

  TunnelStats stats() const;
  void drain(std::vector<ControlFrame>& control, std::vector<Event>& events);

  /** Asks the workers to stop. */
  void stop();
  /** Waits for them; this alone may be called from another thread. */
  void join();
  /** Both, and then keys are wiped and the TUN device goes. May be called twice. */
  void close();

 private:
  struct Prefix {
    Key address;
    unsigned length;
    bool v4;
    auto operator<=>(const Prefix&) const = default;
  };

  static bool parse_prefix(const std::string& text, Prefix& prefix);
  std::shared_ptr<Peer> peer(const std::string& id);
  Status open_worker(size_t index, bool sparse);
  void set_owners(const Prefix& prefix, std::shared_ptr<const Owners> owners);
  void rebuild_routes();
  void rebuild_relay();
  void publish();

  Mailbox mailbox_;
  Published published_;
  Waiting waiting_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Pulse> pulse_;
  uint16_t port_ = 0;
  std::string device_, interface_;
  Counter control_failed_;

  std::map<std::string, std::shared_ptr<Peer>> peers_;
  std::map<Prefix, std::shared_ptr<const Owners>> prefixes_;
  std::string own_;
  RelayBook relay_;
  Tables tables_;
};

}  // namespace trellis
