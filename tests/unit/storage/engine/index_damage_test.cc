// An index whose file is damaged, anywhere and anyhow, ends no process and loses no mail: it is
// made anew from the log. Each trial damages a copy of a store and goes through what a server and
// an operator do with it, each in a process of its own.

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "storage/engine/stats.h"
#include "storage/index/map_fault.h"
#include "storage/tools/rebuild.h"
#include "storage/tools/verify.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPageBytes = 4096;
constexpr uint64_t kBoxes = 120;
constexpr uint64_t kKept = 9;
constexpr int kTrials = 8;
// Exit codes of a child.
constexpr int kFine = 0;
constexpr int kSaidSo = 1;  // Damage was found, and named.
constexpr int kWrong = 2;   // It was not, and something is amiss.

std::string Box(uint64_t i) { return "box-" + std::to_string(i % kBoxes); }

std::string IndexFile(const std::string& store) { return store + "/p000/index/data.mdb"; }

// How a child ended: its exit code, or minus the signal that killed it.
int InChild(const std::function<int()>& run) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    ::_exit(run());
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return kWrong;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

class IndexDamageTest : public testing::Test {
 protected:
  void SetUp() override {
    StoreFixture fixture(1);
    ASSERT_TRUE(fixture.Create(sound_.path(), 1).ok());
    ASSERT_TRUE(fixture.Open(SmallStoreOptions(sound_.path())).ok());
    for (uint64_t i = 0; i < 10 * kBoxes; ++i) {
      fixture.MustDeliver(0, Key(Box(i * 7)), MakeMessage(i, 60));
    }
    for (uint64_t i = 0; i < kBoxes; ++i) {
      OpenResult opened = fixture.OpenMaildrop(0, Key(Box(i)));
      ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
      ASSERT_EQ(fixture.Commit(0, std::move(opened.maildrop), {0}), CommitOutcome::kDone);
    }
    ASSERT_TRUE(fixture.Close().ok());
    Copy();
    ASSERT_EQ(InChild([this] { return Serve(); }), kFine);
  }

  void Copy() const {
    fs::remove_all(path());
    fs::copy(sound_.path(), path(), fs::copy_options::recursive);
  }
  std::string path() const { return folder_.path() + "/store"; }

  std::string SoundIndex() const {
    std::ifstream in(IndexFile(sound_.path()), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  static void Write(const std::string& file, size_t at, const std::string& bytes) {
    std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(static_cast<std::streamoff>(at));
    out << bytes;
  }

  // A page of garbage or of zeros, another page's content, or single octets, heads included.
  void Damage(std::mt19937_64& random) const {
    const std::string file = IndexFile(path());
    const size_t pages = fs::file_size(file) / kPageBytes;
    std::string page(kPageBytes, '\0');
    const size_t at = random() % pages * kPageBytes;
    switch (random() % 4) {
      case 0:
        for (char& octet : page) octet = static_cast<char>(random());
        return Write(file, at, page);
      case 1:
        return Write(file, at, page);
      case 2: {
        std::ifstream in(file, std::ios::binary);
        in.seekg(static_cast<std::streamoff>(random() % pages * kPageBytes));
        in.read(page.data(), kPageBytes);
        return Write(file, at, page);
      }
      default:
        for (uint64_t left = 1 + random() % 40; left > 0; --left) {
          const size_t within = random() % (random() % 2 == 0 ? 64 : kPageBytes);
          Write(file, random() % pages * kPageBytes + within,
                std::string(1, static_cast<char>(random())));
        }
    }
  }

  // A start, all log-ins, deliveries, deletions and what they make of the index; a stop. Leaves
  // kKept messages in each maildrop, and one more where its list could not be read.
  int Serve() const {
    StoreFixture fixture(1);
    StoreOptions options = SmallStoreOptions(path());
    options.checkpoint_changes = 20;
    if (!fixture.Open(options).ok()) return kWrong;
    bool said = fixture.Metric("poplar_store_damages_total") > 0;
    for (uint64_t i = 0; i < kBoxes; ++i) {
      OpenResult opened = fixture.OpenMaildrop(0, Key(Box(i)));
      if (opened.outcome != OpenOutcome::kOpen) {
        said = true;
        continue;
      }
      const uint32_t count = opened.maildrop->count();
      (void)fixture.Commit(0, std::move(opened.maildrop), {});
      if (count < kKept || count > kKept + 1) return kWrong;
    }
    for (uint64_t i = 0; i < kBoxes; ++i) {
      if (fixture.Deliver(0, {Key(Box(i))}, MakeMessage(i, 60))[0] != DeliveryOutcome::kStored) {
        said = true;
      }
      OpenResult opened = fixture.OpenMaildrop(0, Key(Box(i)));
      if (opened.outcome != OpenOutcome::kOpen) continue;
      std::vector<uint32_t> more;
      for (uint32_t p = kKept; p < opened.maildrop->count(); ++p) more.push_back(p);
      if (fixture.Commit(0, std::move(opened.maildrop), more) != CommitOutcome::kDone) {
        return kWrong;
      }
    }
    if (!fixture.Close().ok()) said = true;
    return said ? kSaidSo : kFine;
  }

  // A partition tells it at its next tick.
  static bool IsUnsound(StoreFixture& fixture) {
    for (int i = 0; i < 200; ++i) {
      if (fixture.Metric("poplar_store_index_unsound") > 0) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  // A start, a delivery to each before anybody logs in, a stop; and a start again, which has all of
  // it, or says that something is amiss.
  int DeliverFirst() const {
    StoreOptions options = SmallStoreOptions(path());
    options.checkpoint_changes = 20;
    options.compact_by_itself = false;
    options.scrub_bytes_per_s = 0;
    bool said = false;
    for (const bool delivers : {true, false}) {
      StoreFixture fixture(1);
      if (!fixture.Open(options).ok()) return kWrong;
      for (uint64_t i = 0; delivers && i < kBoxes; ++i) {
        fixture.MustDeliver(0, Key(Box(i)), MakeMessage(i, 60));
      }
      for (uint64_t i = 0; !delivers && i < kBoxes; ++i) {
        OpenResult opened = fixture.OpenMaildrop(0, Key(Box(i)));
        if (opened.outcome != OpenOutcome::kOpen) {
          said = true;
          continue;
        }
        if (opened.maildrop->count() != kKept + 1) return kWrong;
        (void)fixture.Commit(0, std::move(opened.maildrop), {});
      }
      said = said || fixture.Metric("poplar_store_damages_total") > 0 || IsUnsound(fixture);
      if (!fixture.Close().ok()) said = true;
    }
    return said ? kSaidSo : kFine;
  }

  int Verify() const {
    VerifyOptions options;
    options.path = path();
    const auto report = VerifyStore(options);
    if (!report.ok()) return kWrong;
    return report->damages == 0 ? kFine : kSaidSo;
  }
  int Stats() const {
    StatsOptions options;
    options.path = path();
    return ReadStoreStats(options).ok() ? kFine : kSaidSo;
  }
  int Rebuild() const {
    RebuildOptions options;
    options.path = path();
    options.index_map_bytes = kGiB;
    const auto rebuilt = RebuildIndexes(options);
    if (!rebuilt.ok() || (*rebuilt)[0].damages > 0) return kWrong;
    const uint64_t messages = (*rebuilt)[0].after.messages;
    return messages >= kKept * kBoxes && messages <= (kKept + 1) * kBoxes ? kFine : kWrong;
  }

  const TemporaryFolder sound_;
  const TemporaryFolder folder_;
};

TEST_F(IndexDamageTest, EndsNoProcessAndLosesNoMail) {
  const char* const seed_text = std::getenv("POPLAR_TEST_SEED");
  const uint64_t seed = seed_text != nullptr ? std::strtoull(seed_text, nullptr, 10) : 1;
  int noticed = 0;
  for (uint64_t trial = seed; trial < seed + kTrials; ++trial) {
    SCOPED_TRACE("POPLAR_TEST_SEED=" + std::to_string(trial));
    std::mt19937_64 random(trial);
    Copy();
    Damage(random);
    const int verified = InChild([this] { return Verify(); });
    EXPECT_TRUE(verified == kFine || verified == kSaidSo) << verified;
    const int counted = InChild([this] { return Stats(); });
    EXPECT_TRUE(counted == kFine || counted == kSaidSo) << counted;
    EXPECT_EQ(InChild([this] { return Rebuild(); }), kFine);
    EXPECT_EQ(InChild([this] { return Verify(); }), kFine);
    EXPECT_EQ(InChild([this] { return Serve(); }), kFine);
    // A server that meets it.
    Copy();
    random.seed(trial);
    Damage(random);
    const int served = InChild([this] { return Serve(); });
    EXPECT_TRUE(served == kFine || served == kSaidSo) << served;
    EXPECT_EQ(InChild([this] { return Rebuild(); }), kFine);
    EXPECT_EQ(InChild([this] { return Serve(); }), kFine);
    if (served == kSaidSo) ++noticed;
  }
  EXPECT_GT(noticed, kTrials / 10);
}

// A key that was damaged is no maildrop without mail.
TEST_F(IndexDamageTest, AFlippedBitInAKeyIsNoEmptyMaildrop) {
  const std::string file = SoundIndex();
  const std::string wanted = EncodeMaildropKey(Key(Box(7)));
  int flips = 0, noticed = 0;
  for (size_t at = file.find(wanted); at != std::string::npos; at = file.find(wanted, at + 1)) {
    for (size_t octet = 0; octet < wanted.size(); ++octet) {
      for (const int bit : {1, 0x20}) {
        Copy();
        Write(IndexFile(path()), at + octet,
              std::string(1, static_cast<char>(file[at + octet] ^ bit)));
        const int served = InChild([this] { return Serve(); });
        EXPECT_TRUE(served == kFine || served == kSaidSo) << served << " at " << at + octet;
        ++flips;
        if (served == kSaidSo) ++noticed;
      }
    }
  }
  // A key stands in two databases, and in pages that are free: how many depends on what commits of
  // the index came together. Those are read by nobody.
  EXPECT_GE(flips, 2 * 2 * static_cast<int>(wanted.size()));
  EXPECT_GT(noticed, 2 * static_cast<int>(wanted.size()));
}

// The same where mail comes before anybody asks what is there.
TEST_F(IndexDamageTest, AFlippedBitInAKeyIsNoNewMaildrop) {
  const std::string file = SoundIndex();
  const std::string wanted = EncodeMaildropKey(Key(Box(99)));
  int flips = 0, noticed = 0;
  // The last of all, and so it stays: keys out of order are another damage.
  for (size_t at = file.find(wanted); at != std::string::npos; at = file.find(wanted, at + 1)) {
    Copy();
    const size_t last = at + wanted.size() - 1;
    Write(IndexFile(path()), last, std::string(1, static_cast<char>(file[last] ^ 2)));
    const int delivered = InChild([this] { return DeliverFirst(); });
    EXPECT_TRUE(delivered == kFine || delivered == kSaidSo) << delivered << " at " << at;
    ++flips;
    if (delivered == kSaidSo) ++noticed;
  }
  EXPECT_GE(flips, 2);
  EXPECT_GE(noticed, 1);
}

TEST_F(IndexDamageTest, AnIndexThatIsGoneIsMadeAnew) {
  Copy();
  fs::remove_all(path() + "/p000/index");
  EXPECT_EQ(InChild([this] { return Serve(); }), kFine);
  EXPECT_EQ(InChild([this] { return Verify(); }), kFine);
}

// The file is cut while the server has it mapped: its pages are no more.
TEST_F(IndexDamageTest, APageThatCannotBeReadEndsOneIndex) {
  Copy();
  EXPECT_EQ(InChild([this] {
              StoreFixture fixture(1);
              if (!fixture.Open(SmallStoreOptions(path())).ok()) return kWrong;
              fs::resize_file(IndexFile(path()), 2 * kPageBytes);
              for (uint64_t i = 0; i < kBoxes; ++i) {
                const OpenResult opened = fixture.OpenMaildrop(0, Key(Box(i)));
                if (opened.outcome == OpenOutcome::kOpen) return kWrong;
              }
              // Mail goes on arriving; the log has it.
              fixture.MustDeliver(0, Key("somebody"), MakeMessage(1));
              return fixture.Close().ok() ? kWrong : kSaidSo;
            }),
            kSaidSo);
  EXPECT_EQ(InChild([this] {
              StoreFixture fixture(1);
              if (!fixture.Open(SmallStoreOptions(path())).ok()) return kWrong;
              if (fixture.List(0, Key("somebody")).size() != 1) return kWrong;
              return fixture.List(0, Key(Box(1))).size() == kKept ? kFine : kWrong;
            }),
            kFine);
}

// What is no fault of a map ends the process as ever.
TEST(MapFault, AFaultElsewhereEndsTheProcess) {
  EXPECT_TRUE(RunGuarded([] {}));
  EXPECT_FALSE(RunGuarded([] { GiveUp(); }));
  EXPECT_FALSE(RunGuarded([] { (void)*reinterpret_cast<volatile char*>(16); }));
  GiveUp();  // Nothing to give up.
  for (const int number : {SIGSEGV, SIGBUS}) {
    EXPECT_NE(InChild([number] {
                (void)RunGuarded([] {});
                ::raise(number);
                return kFine;
              }),
              kFine);
  }
  EXPECT_NE(InChild([] {
              (void)RunGuarded([] {});
              (void)*reinterpret_cast<volatile char*>(16);
              return kFine;
            }),
            kFine);
}

}  // namespace
}  // namespace poplar::storage
