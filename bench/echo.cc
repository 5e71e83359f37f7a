// When others answer through the overlay: every gateway runs one of these before its daemon. It is to need as little of the machine as it can.
//
//   echo PAUSE ADDRESS...      answers datagrams on port 9200, and asks one ADDRESS after the other, every PAUSE ms the next, until each
//                              has answered; then prints a line: the address and when, in ms since the epoch
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>

namespace {

constexpr uint16_t PORT = 9200;
constexpr char ASK = '?', ANSWER = '!';

double now_ms() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(since).count();
}

sockaddr_in6 at(const in6_addr& address) {
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  out.sin6_port = htons(PORT);
  out.sin6_addr = address;
  return out;
}

void send_to(int fd, char what, const sockaddr_in6& to) {
  sendto(fd, &what, 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);  // nothing leads there yet, perhaps
}

/** Answers what has come; who has answered is asked no more. */
void take(int fd, std::deque<in6_addr>& waiting) {
  char what = 0;
  sockaddr_in6 from{};
  socklen_t size = sizeof from;
  if (recvfrom(fd, &what, 1, 0, reinterpret_cast<sockaddr*>(&from), &size) != 1) return;
  if (what == ASK) return send_to(fd, ANSWER, from);
  for (auto it = waiting.begin(); it != waiting.end(); ++it) {
    if (std::memcmp(&*it, &from.sin6_addr, sizeof *it) != 0) continue;
    char text[INET6_ADDRSTRLEN];
    std::printf("%s %.3f\n", inet_ntop(AF_INET6, &*it, text, sizeof text), now_ms());
    std::fflush(stdout);
    waiting.erase(it);
    return;
  }
}

}  // namespace

int main(int count, char** words) {
  const int pause = count > 1 ? std::atoi(words[1]) : 0;
  if (pause <= 0) return std::fprintf(stderr, "echo PAUSE ADDRESS...\n"), 2;
  std::deque<in6_addr> waiting;
  for (int i = 2; i < count; ++i) {
    in6_addr address{};
    if (inet_pton(AF_INET6, words[i], &address) != 1) return std::fprintf(stderr, "echo: %s is no address\n", words[i]), 2;
    waiting.push_back(address);
  }
  const int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const sockaddr_in6 own = at(in6addr_any);
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) return std::perror("echo"), 1;
  for (double next = now_ms();;) {
    const double left = next - now_ms();
    pollfd event{fd, POLLIN, 0};
    if (poll(&event, 1, waiting.empty() ? -1 : left > 0 ? static_cast<int>(left) + 1 : 0) > 0) take(fd, waiting);
    if (waiting.empty() || now_ms() < next) continue;
    next = now_ms() + pause;
    waiting.push_back(waiting.front());
    waiting.pop_front();
    send_to(fd, ASK, at(waiting.back()));
  }
}
