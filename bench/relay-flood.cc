// Sends one datagram over and over, as fast as a socket can, cut from large sends (UDP_SEGMENT) into single packets.
//
//   relay-flood ADDRESS PORT SECONDS HEX
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr int SEGMENTS = 64, MESSAGES = 8;

std::vector<unsigned char> from_hex(const std::string& text) {
  std::vector<unsigned char> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) bytes.push_back(static_cast<unsigned char>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) return std::fputs("relay-flood ADDRESS PORT SECONDS HEX\n", stderr), 2;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::atoi(arguments[2])));
  if (inet_pton(AF_INET, arguments[1], &to.sin_addr) != 1) return std::fputs("no IPv4 address\n", stderr), 2;
  const std::vector<unsigned char> datagram = from_hex(arguments[4]);
  std::vector<unsigned char> burst;
  for (int i = 0; i < SEGMENTS; i++) burst.insert(burst.end(), datagram.begin(), datagram.end());

  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const int size = static_cast<int>(datagram.size());
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 || setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof size) != 0) {
    return std::perror("socket"), 1;
  }
  iovec piece{burst.data(), burst.size()};
  mmsghdr messages[MESSAGES] = {};
  for (mmsghdr& message : messages) message.msg_hdr.msg_iov = &piece, message.msg_hdr.msg_iovlen = 1;
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(std::atof(arguments[3]));
  unsigned long sent = 0;
  while (std::chrono::steady_clock::now() < end) {
    const int done = sendmmsg(fd, messages, MESSAGES, 0);  // an ICMP error for an earlier one counts as none sent
    if (done > 0) sent += static_cast<unsigned long>(done) * SEGMENTS;
  }
  std::printf("%lu\n", sent);
}
