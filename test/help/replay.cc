// replay DEVICE COUNT RATE: keeps the last COUNT frames that leave through a device. After a line on standard input it sends them again
// and again, RATE a second in all, until standard input ends; then it prints how many that were.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <vector>

namespace {

using Frame = std::vector<unsigned char>;

bool readable(int fd, int wait_ms) {
  pollfd asked{fd, POLLIN, 0};
  return poll(&asked, 1, wait_ms) > 0;
}

/** Frames that leave, until there is a line on standard input. */
std::deque<Frame> record(int socket, size_t most) {
  std::deque<Frame> frames;
  while (!readable(STDIN_FILENO, 0)) {
    if (!readable(socket, 10)) continue;
    Frame frame(65536);
    sockaddr_ll from{};
    socklen_t length = sizeof from;
    const ssize_t size = recvfrom(socket, frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (size <= 0 || from.sll_pkttype != PACKET_OUTGOING) continue;
    frame.resize(static_cast<size_t>(size));
    frames.push_back(std::move(frame));
    if (frames.size() > most) frames.pop_front();
  }
  return frames;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int socket = ::socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(argv[1]));
  if (socket < 0 || bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return std::perror("bind"), 1;
  std::puts("recording");
  std::fflush(stdout);
  const std::deque<Frame> frames = record(socket, static_cast<size_t>(std::atoi(argv[2])));
  char line[64];
  if (read(STDIN_FILENO, line, sizeof line) <= 0) return 0;
  const int per_10_ms = std::max(1, std::atoi(argv[3]) / 100);
  unsigned long sent = 0;
  while (!readable(STDIN_FILENO, 10)) {
    for (int i = 0; i < per_10_ms && !frames.empty(); i++) {
      const Frame& frame = frames[sent % frames.size()];
      if (send(socket, frame.data(), frame.size(), 0) > 0) sent++;
    }
  }
  std::printf("%lu\n", sent);
  return 0;
}
