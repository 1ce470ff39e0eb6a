#include "core/app/doctor/port_holder.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string_view>
#include <vector>

namespace poplar::app {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kListens = "0A";  // TCP_LISTEN.

// As the kernel writes an address there: 32 bits at a time, as numbers of this machine.
std::string HexOf(const unsigned char* octets, size_t bytes) {
  std::string hex;
  for (size_t at = 0; at < bytes; at += sizeof(uint32_t)) {
    uint32_t word = 0;
    std::memcpy(&word, octets + at, sizeof word);
    std::array<char, 9> text{};
    std::snprintf(text.data(), text.size(), "%08X", word);
    hex += text.data();
  }
  return hex;
}

std::string HexOf(const tenant::ListenAddress& address) {
  sockaddr_storage storage;
  address.ToSockaddr(storage);
  if (address.is_ipv6()) {
    sockaddr_in6 ipv6{};
    std::memcpy(&ipv6, &storage, sizeof ipv6);
    return HexOf(ipv6.sin6_addr.s6_addr, sizeof ipv6.sin6_addr);
  }
  sockaddr_in ipv4{};
  std::memcpy(&ipv4, &storage, sizeof ipv4);
  std::array<unsigned char, sizeof ipv4.sin_addr> octets{};
  std::memcpy(octets.data(), &ipv4.sin_addr, octets.size());
  return HexOf(octets.data(), octets.size());
}

bool IsAll(std::string_view hex) { return hex.find_first_not_of('0') == std::string_view::npos; }

// The sockets that listen at `port` on all addresses, on `wanted`, or where that is all itself on
// any, as /proc's links to them are called.
void AddSockets(const char* table, std::string_view wanted, uint16_t number,
                std::set<std::string>& sockets) {
  std::array<char, 5> port{};
  std::snprintf(port.data(), port.size(), "%04X", number);
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);  // The heads of the columns.
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string slot, local, remote, state, queues, timer, retransmits, user, timeout, inode;
    words >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> user >>
        timeout >> inode;
    const size_t colon = local.find(':');
    if (state != kListens || colon == std::string::npos) continue;
    if (std::string_view(local).substr(colon + 1) != port.data()) continue;
    const std::string_view host = std::string_view(local).substr(0, colon);
    if (host != wanted && !IsAll(host) && (wanted.empty() || !IsAll(wanted))) continue;
    sockets.insert("socket:[" + inode + "]");
  }
}

bool HasOneOf(const fs::path& process, const std::set<std::string>& sockets) {
  std::error_code error;
  for (fs::directory_iterator at(process / "fd", error), end; !error && at != end;
       at.increment(error)) {
    std::error_code unreadable;
    if (sockets.contains(fs::read_symlink(at->path(), unreadable).string())) return true;
  }
  return false;
}

std::vector<int> Processes() {
  std::vector<int> pids;
  std::error_code error;
  for (fs::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    int pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec == std::errc() && parsed.ptr == name.data() + name.size()) pids.push_back(pid);
  }
  std::ranges::sort(pids);
  return pids;
}

}  // namespace

std::optional<PortHolder> HolderOf(const tenant::ListenAddress& address) {
  std::set<std::string> sockets;
  AddSockets(address.is_ipv6() ? "/proc/net/tcp6" : "/proc/net/tcp", HexOf(address), address.port,
             sockets);
  // One on all addresses of IPv6 takes IPv4's port, too.
  if (!address.is_ipv6()) AddSockets("/proc/net/tcp6", "", address.port, sockets);
  if (sockets.empty()) return std::nullopt;
  PortHolder holder;
  for (const int pid : Processes()) {
    const fs::path process = "/proc/" + std::to_string(pid);
    if (!HasOneOf(process, sockets)) continue;
    PortHolder found{.program = "", .pid = pid};
    std::ifstream name(process / "comm");
    std::getline(name, found.program);
    if (found.is_systemd()) return found;
    if (holder.pid == 0) holder = found;
  }
  return holder;
}

}  // namespace poplar::app
