// The relay in the kernel: bpf/relay_tc.bpf.c and bpf/relay_xdp.bpf.c over one set of tables, attached to devices. It outlives the process,
// until the next one has taken its place.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "bpf.h"
#include "descriptor.h"
#include "relay_book.h"
#include "relay_hook.h"
#include "tc_hook.h"

namespace trellis {

/** What the next process of this gateway must know of a relay. */
struct RelayPrograms {
  uint32_t tc = 0, xdp = 0;  // ids; 0: none
  uint64_t mark = 0;         // what its successor's program puts on packets
};

using RelayCounts = std::array<uint64_t, RELAY_VERDICTS>;

/** What BPF_PROG_TEST_RUN is to make of a frame. */
struct RelayTrial {
  bool xdp = false;
  uint32_t segment = 0;         // tc: payload of each datagram of a superpacket; 0 for one datagram
  bool checksum_known = false;  // tc: the device has given the sum of the whole packet; the kernel checks that it still holds
  std::array<uint32_t, 3> mark{};  // tc: what a program before this one has left on the packet; what it leaves, afterwards
};

class KernelRelay final : public RelayMirror {
 public:
  /**
   * Loads the programs for the tunnel on `port`. On failure `relay` is null and `log` says why, with the verifier's words when it was
   * the verifier. Without an object for XDP that hook is not offered. With a filter its rules of admission hold here too.
   */
  static Status load(uint16_t port, std::span<const uint8_t> tc, std::span<const uint8_t> xdp, const IngressFilter* filter,
                     std::shared_ptr<KernelRelay>& relay, std::string& log);
  ~KernelRelay() override { close(); }

  /** Attaches to a device; what XDP cannot do there, tc may. EINVAL for tcx means that the kernel does not know it. */
  Status attach(const std::string& device, RelayHook hook);

  const RelayPrograms& programs() const { return programs_; }

  /** Before anything is attached: these, of a process that is gone, relay on what ours do not know yet. False when they are not there. */
  bool succeed(const RelayPrograms& before);

  /** Detaches what was there before us, everywhere. */
  void retire();

  /** Detaches these from whatever has them, in this network namespace. */
  static void remove(const RelayPrograms& programs);

  /** Forgets programs and tables, which relay on until somebody detaches them; what the tunnel publishes from now on goes nowhere. */
  void leave();

  /** Detaches from everything, what was there before us too, and forgets programs and tables. */
  void close();

  /** Frames by verdict since the load, over all devices and CPUs. */
  Status counters(RelayCounts& out) const;

  /** Runs a program once on an Ethernet frame, which it may change. `code` is what it returned. */
  Status run(RelayTrial& trial, std::vector<uint8_t>& frame, uint32_t& code) const;

  /** Why the tables no longer agree with the tunnel's: the kernel took an entry not. Then nothing is attached any more. */
  const Status& failure() const { return failure_; }

  std::shared_ptr<relay_state[]> states() override { return states_; }
  void publish(const RelayTables& tables) override;

 private:
  KernelRelay() = default;
  struct Attachment {
    int device;
    RelayHook hook;
    TcHook clsact;
  };

  Status attach_at(Attachment& made);
  void detach(Attachment& attachment) const;
  Status map_states();
  Status configure();
  void fail(const Status& status);
  Status permit(int device, RelayHook hook) const;
  void detach_all();
  int map(const char* name) const { return tc_->map(name); }
  template <typename Table>
  Status follow(const char* name, const Table& wanted, Table& there);
  template <typename Table>
  Status remove(const char* name, const Table& wanted, Table& there);

  uint16_t port_ = 0;
  uint64_t label_ = 0, clock_ = 0;
  RelayPrograms programs_, before_;
  std::unique_ptr<BpfObject> tc_, xdp_;
  std::shared_ptr<relay_state[]> states_;
  std::vector<Attachment> attachments_;
  Status failure_;

  // What the kernel has.
  uint32_t generation_ = 0;  // of the tables in the kernel
  std::unordered_map<uint32_t, relay_session> sessions_;
  std::unordered_map<uint32_t, relay_neighbour> neighbours_;
  std::unordered_map<uint64_t, relay_destination> destinations_;
};

}  // namespace trellis
