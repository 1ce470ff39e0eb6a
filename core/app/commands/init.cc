#include "core/app/commands/init.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "auth/users/user_database.h"
#include "core/app/certificate.h"
#include "core/app/commands/with_config.h"
#include "core/base/fd.h"

namespace poplar::app {
namespace {

namespace fs = std::filesystem;

// kAlreadyExists: `path` is there and was kept. A file that could not be written whole is removed.
Status WriteNewFile(const std::string& path, std::string_view text, mode_t mode) {
  const base::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd.valid()) return ErrnoStatus(errno, "cannot make " + path);
  while (!text.empty()) {
    const ssize_t written = write(fd.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) break;
    text.remove_prefix(static_cast<size_t>(written));
  }
  if (text.empty() && fsync(fd.get()) == 0) return OkStatus();
  const Status failed = ErrnoStatus(errno, "cannot write " + path);
  unlink(path.c_str());
  return failed;
}

Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  return error ? ErrnoStatus(error.value(), "cannot make the folder " + folder.string())
               : OkStatus();
}

// Both files or neither: half a pair is somebody's mistake, which is not for us to mend.
Status MakeCertificate(const tenant::Config& config) {
  const tenant::TlsConfig& tls = config.tls;
  const bool has_certificate = fs::exists(tls.certificate), has_key = fs::exists(tls.key);
  if (has_certificate && has_key) return MakeStatus(StatusCode::kAlreadyExists, tls.certificate);
  if (has_certificate || has_key) {
    const auto& [there, missing] =
        has_certificate ? std::tie(tls.certificate, tls.key) : std::tie(tls.key, tls.certificate);
    return MakeStatus(StatusCode::kFailedPrecondition,
                      there + " is there but " + missing +
                          " is not; bring the missing one, or move the other away");
  }
  POP_RETURN_IF_ERROR(MakeFolder(fs::path(tls.certificate).parent_path()));
  POP_RETURN_IF_ERROR(MakeFolder(fs::path(tls.key).parent_path()));
  std::vector<std::string> names = OwnNames();
  const std::string& hostname = config.server.hostname;
  if (!hostname.empty() && std::ranges::find(names, hostname) == names.end())
    names.insert(names.begin(), hostname);
  POP_ASSIGN_OR_RETURN(const SelfSigned made, MakeSelfSigned(names));
  constexpr mode_t kOwnerOnly = 0600, kEverybodyReads = 0644;
  POP_RETURN_IF_ERROR(WriteNewFile(tls.key, made.key_pem.Reveal(), kOwnerOnly));
  const Status written = WriteNewFile(tls.certificate, made.certificate_pem, kEverybodyReads);
  if (!written.ok()) unlink(tls.key.c_str());
  return written;
}

// A store that is gone while its users are there is most likely not mounted. An empty one in its
// place would show everybody an empty mailbox, and new UIDLs when it is back.
Status CheckNotUnmounted(const tenant::Config& config) {
  std::error_code error;
  if (fs::exists(config.store.path, error) || !fs::exists(config.users.database, error)) {
    return OkStatus();
  }
  return MakeStatus(StatusCode::kFailedPrecondition,
                    config.users.database + " is there but " + config.store.path +
                        " is not: is its file system mounted? For a new, empty store make that "
                        "folder first");
}

Status MakeUsers(const tenant::Config& config) {
  POP_RETURN_IF_ERROR(MakeFolder(fs::path(config.users.database).parent_path()));
  return auth::UserDatabase::Create(config.users.database).status();
}

ExitCode FailToMake(Console& console, const Status& why) {
  // Of whatever kind: somebody names another place, or makes room there.
  const bool in_the_way =
      why.code() == StatusCode::kNotFound || why.code() == StatusCode::kUnavailable;
  return Fail(console, in_the_way ? ExitCode::kCannotCreate : ExitCodeOf(why), Message(why));
}

// As a shell takes it for one word, whatever it is.
std::string ShellWord(const std::string& text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+,:@%";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

void TellNext(const std::string& config_path, Console& console) {
  console.out << "\nNext, let `poplar` find it and add somebody:\n"
              << "  export POPLAR_CONFIG=" << ShellWord(config_path) << '\n'
              << "  poplar tenant add example --domain example.org\n"
              << "  poplar user add alice@example.org\n"
              << "  poplar serve\n";
}

}  // namespace

ExitCode Init(const InitOptions& options, const Wiring& wiring, Console& console) {
  // Says what became of one part. False: it could not be made, and that is still to be said.
  const auto tell = [&](const Status& made, std::string_view what) {
    if (!made.ok() && made.code() != StatusCode::kAlreadyExists) return false;
    if (!options.quiet) console.out << (made.ok() ? "  made  " : "  kept  ") << what << '\n';
    return true;
  };
  const fs::path folder = fs::absolute(options.folder).lexically_normal();
  const std::string config_path = folder / "poplar.toml";
  if (const Status made = MakeFolder(folder); !made.ok()) return FailToMake(console, made);
  constexpr mode_t kEverybodyReads = 0644;
  const Status config_made =
      WriteNewFile(config_path, tenant::DefaultConfigText(), kEverybodyReads);
  if (!tell(config_made, config_path)) return FailToMake(console, config_made);

  return WithConfig(config_path, console, [&](const tenant::Config& config) {
    if (config.tls.enabled()) {
      const Status made = MakeCertificate(config);
      if (!tell(made, config.tls.certificate + " and its key")) return FailToMake(console, made);
    }
    const Status mounted = CheckNotUnmounted(config);
    if (!mounted.ok()) return Fail(console, mounted);
    const Status store = wiring.init_store(config);
    if (!tell(store, config.store.path + " (the store)")) return Fail(console, store);
    const Status users = MakeUsers(config);
    if (!tell(users, config.users.database + " (tenants and users)")) return Fail(console, users);
    if (!options.quiet) TellNext(config_path, console);
    return ExitCode::kOk;
  });
}

}  // namespace poplar::app
