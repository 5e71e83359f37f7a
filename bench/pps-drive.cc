// Sends frames by XDP, without sockets, through whatever is between two devices, and says what CPU time all of it took.
//
//   pps-drive OBJECT OUT-DEVICE SINK-NETNS SINK-DEVICE SINK-PORT SECONDS FRAME-HEX
//
// Prints: frames sent, frames arrived, ns of CPU time. Everything happens on one CPU: each batch of 64, as many as one poll takes, is
// through to the sink in the softirqs that follow it.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

constexpr int BATCH = 64, BURST = 256 * BATCH;
constexpr size_t FRAME = 106;

struct Setup {
  uint64_t frame[FRAME / 8 + 1];
  uint32_t out;
  uint16_t port;
};

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

/** The thread that runs softirqs of a CPU when there are too many for whoever raised them. */
std::string softirq_thread(int cpu) {
  const std::string wanted = "ksoftirqd/" + std::to_string(cpu);
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::string name;
    if (std::getline(std::ifstream(entry.path() / "comm"), name) && name == wanted) return entry.path();
  }
  fail("ksoftirqd");
}

/** ns that a thread has run. */
uint64_t ran(const std::string& thread) {
  uint64_t ns = 0;
  if (!(std::ifstream(thread + "/schedstat") >> ns)) fail(thread.c_str());
  return ns;
}

uint64_t own_time() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

/** Stays on the CPU that it runs on, and gives its number. */
int stay() {
  const int cpu = sched_getcpu();
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(static_cast<size_t>(cpu), &only);
  if (sched_setaffinity(0, sizeof only, &only) != 0) fail("sched_setaffinity");
  return cpu;
}

void enter(const std::string& netns) {
  const int fd = open(netns.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) fail(netns.c_str());
  close(fd);
}

int program_of(bpf_object* object, const char* name) { return bpf_program__fd(bpf_object__find_program_by_name(object, name)); }
int map_of(bpf_object* object, const char* name) { return bpf_map__fd(bpf_object__find_map_by_name(object, name)); }

}  // namespace

int main(int count, char** arguments) {
  if (count != 8) return std::fputs("see the head of pps-drive.cc\n", stderr), 2;
  const std::string object_path = arguments[1], out = arguments[2], netns = arguments[3], sink = arguments[4];
  const std::string softirqs = softirq_thread(stay());
  bpf_object* object = bpf_object__open(object_path.c_str());
  if (object == nullptr || bpf_object__load(object) != 0) fail("pps.bpf.o");

  Setup setup{};
  setup.out = if_nametoindex(out.c_str());
  setup.port = htons(static_cast<uint16_t>(std::atoi(arguments[5])));
  std::vector<uint8_t> frame;
  for (const char* hex = arguments[7]; hex[0] != 0 && hex[1] != 0; hex += 2) frame.push_back(static_cast<uint8_t>(std::stoi(std::string(hex, 2), nullptr, 16)));
  if (frame.size() != FRAME) return std::fputs("the frame must have 106 bytes\n", stderr), 2;
  std::memcpy(setup.frame, frame.data(), FRAME);
  const uint32_t zero = 0;
  if (bpf_map_update_elem(map_of(object, "pps_setup"), &zero, &setup, BPF_ANY) != 0) fail("pps_setup");
  void* memory = mmap(nullptr, sizeof(uint64_t), PROT_READ, MAP_SHARED, map_of(object, "pps_arrived"), 0);
  if (memory == MAP_FAILED) fail("pps_arrived");
  const auto arrived = [memory] { return __atomic_load_n(static_cast<uint64_t*>(memory), __ATOMIC_RELAXED); };

  const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  enter("/run/netns/" + netns);
  const int device = static_cast<int>(if_nametoindex(sink.c_str()));
  if (bpf_xdp_attach(device, program_of(object, "pps_sink"), XDP_FLAGS_DRV_MODE, nullptr) != 0) fail("bpf_xdp_attach");
  if (setns(home, CLONE_NEWNET) != 0) fail("setns");

  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.data_in = frame.data();
  options.data_size_in = FRAME;
  options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  options.repeat = BURST;
  options.batch_size = BATCH;
  const int program = program_of(object, "pps_send");
  const auto burst = [&] {
    if (bpf_prog_test_run_opts(program, &options) != 0) fail("BPF_PROG_TEST_RUN");
    return uint64_t{BURST};
  };
  for (int i = 0; i < 4; i++) burst();  // neighbours are known and caches warm afterwards
  const uint64_t arrived_before = arrived(), time_before = own_time() + ran(softirqs);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(std::atof(arguments[6]));
  uint64_t sent = 0;
  while (std::chrono::steady_clock::now() < end) sent += burst();
  std::printf("%lu %lu %lu\n", sent, arrived() - arrived_before, own_time() + ran(softirqs) - time_before);

  enter("/run/netns/" + netns);
  bpf_xdp_detach(device, XDP_FLAGS_DRV_MODE, nullptr);
}
