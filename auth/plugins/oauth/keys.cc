#include "auth/plugins/oauth/keys.h"

#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "auth/plugins/oauth/fetch.h"

namespace poplar::oauth {
namespace {

constexpr const char* kBusy = "the issuer's keys are being fetched";

std::optional<plugins::SecretText> ReadFile(const std::string& path, std::string& fault) {
  std::ifstream file(path, std::ios::binary);
  plugins::SecretText text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
  if (file.bad() || !file.is_open() || text.size() > kReplyBytesMax) {
    fault = path + " cannot be read";
    return std::nullopt;
  }
  return text;
}

}  // namespace

std::shared_ptr<const KeySet> Keys::Get(plugins::Deadline deadline, std::string& fault) {
  const std::unique_lock<std::timed_mutex> lock(mutex_, deadline);
  if (!lock.owns_lock()) {
    fault = kBusy;
    return nullptr;
  }
  const bool old = keys_ == nullptr || Clock::now() - fetched_at_ >= kKeysAge;
  if (old && MayFetch()) FetchNow(deadline);
  if (keys_ == nullptr) fault = fault_;
  return keys_;
}

std::shared_ptr<const KeySet> Keys::GetNewer(const std::shared_ptr<const KeySet>& seen,
                                             plugins::Deadline deadline, std::string& fault) {
  const std::unique_lock<std::timed_mutex> lock(mutex_, deadline);
  if (!lock.owns_lock()) {
    fault = kBusy;
    return nullptr;
  }
  if (keys_ == seen && MayFetch()) FetchNow(deadline);
  if (keys_ != seen) return keys_;
  fault = fault_;
  return nullptr;
}

void Keys::FetchNow(plugins::Deadline deadline) {
  fault_.clear();
  const std::optional<plugins::SecretText> text =
      settings_.jwks_file.empty() ? Fetch({.url = settings_.jwks_url}, settings_, deadline, fault_)
                                  : ReadFile(settings_.jwks_file, fault_);
  tried_ = true;
  tried_at_ = Clock::now();
  if (!text.has_value()) return;
  std::shared_ptr<const KeySet> keys = KeySet::Parse(*text, fault_);
  if (keys == nullptr) return;
  keys_ = std::move(keys);
  fetched_at_ = tried_at_;
}

}  // namespace poplar::oauth
