// From workers to the runtime: bounded, never blocking the sender for long, and told once per batch.
#pragma once
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "endpoint.h"

namespace trellis {

struct ControlFrame {
  Endpoint from;
  std::vector<uint8_t> payload;
};

enum class EventType : uint8_t { moved, exhausted, wanted, silent, alive, place, link_silent, link_alive, carries, stands_still, goes_on, network };

struct Event {
  EventType type;
  uint32_t local_index = 0;  // moved, exhausted
  Endpoint endpoint;         // moved, place, link_silent, link_alive, carries
  std::string peer;          // all but moved, exhausted and network
};

/** `notify` is called, from any worker, when something lies in an empty mailbox. */
class Mailbox {
 public:
  explicit Mailbox(std::function<void()> notify) : notify_(std::move(notify)) {}

  /** False when the box is full: the frame is dropped. */
  bool control(const Endpoint& from, const uint8_t* data, size_t size) {
    return put([&] {
      if (control_.size() >= MAX_CONTROL_FRAMES) return false;
      control_.push_back({from, {data, data + size}});
      return true;
    });
  }

  void event(Event event) {
    put([&] {
      if (events_.size() >= MAX_EVENTS) return false;
      events_.push_back(std::move(event));
      return true;
    });
  }

  /** Asks for a session to `peer`, at most once a second per peer. `now` in ms. */
  void wanted(const std::string& peer, int64_t now) {
    {
      const std::lock_guard lock(mutex_);
      if (asked_.size() >= MAX_ASKED) asked_.clear();
      const auto [at, is_new] = asked_.try_emplace(peer, now);
      if (!is_new && now - at->second < ASK_AGAIN) return;
      at->second = now;
    }
    event({EventType::wanted, 0, {}, peer});
  }

  /** A peer may be there: told at most four times a second per peer, so that who sends recorded hellos from anywhere wakes nobody. */
  void place(const std::string& peer, const Endpoint& endpoint, int64_t now) {
    {
      const std::lock_guard lock(mutex_);
      if (placed_.size() >= MAX_ASKED) placed_.clear();
      const auto [at, is_new] = placed_.try_emplace(peer, now);
      if (!is_new && now - at->second < PLACE_AGAIN) return;
      at->second = now;
    }
    event({EventType::place, 0, endpoint, peer});
  }

  void drain(std::vector<ControlFrame>& control, std::vector<Event>& events) {
    const std::lock_guard lock(mutex_);
    control.swap(control_);
    events.swap(events_);
    control_.clear();
    events_.clear();
  }

 private:
  static constexpr size_t MAX_CONTROL_FRAMES = 2048;  // 4 MB at the most; a burst of 32-fragment handshakes from 64 peers
  static constexpr size_t MAX_EVENTS = 1024;
  static constexpr size_t MAX_ASKED = 1024;
  static constexpr int64_t ASK_AGAIN = 1000;
  static constexpr int64_t PLACE_AGAIN = 250;

  template <typename Store>
  bool put(Store store) {
    bool first;
    {
      const std::lock_guard lock(mutex_);
      first = control_.empty() && events_.empty();
      if (!store()) return false;
    }
    if (first) notify_();
    return true;
  }

  std::mutex mutex_;
  std::vector<ControlFrame> control_;
  std::vector<Event> events_;
  std::unordered_map<std::string, int64_t> asked_, placed_;
  std::function<void()> notify_;
};

}  // namespace trellis
