#include "core/net/certificate_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/net/net_test_support.h"

namespace poplar::net {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t kPeriodUs = 5'000'000;

// Its time stands still until a test moves it. What was written a moment ago may change again
// unseen, so it is read again in any case, unless a test says that this was long ago.
class ManualClock : public base::Clock {
 public:
  uint64_t MonotonicUs() const override { return now_us; }
  int64_t WallUs() const override {
    return base::SystemClock().WallUs() + (long_ago ? 1 : 0) * kHourUs;
  }
  static constexpr int64_t kHourUs = 3'600'000'000;
  uint64_t now_us = 1'000'000;
  bool long_ago = false;
};

class CertificateStoreTest : public testing::Test {
 protected:
  CertificateStoreTest() { fs::create_directory(certs_); }

  std::string Path(const std::string& name) const { return certs_ + "/" + name; }
  void Write(const std::string& host, const CertificateSpec& spec = {},
             const std::string& kind = "") {
    fs::create_directories(Path(host));
    CertificateSpec named = spec;
    if (named.host == "localhost") named.host = host;
    WriteCertificate(Path(host) + "/fullchain" + kind + ".pem",
                     Path(host) + "/privkey" + kind + ".pem", named);
  }
  void Configure(uint32_t loaded_max = 100) {
    store_.Configure({.folder = certs_, .loaded_max = loaded_max, .look_period_us = kPeriodUs});
  }
  void PassPeriod() { clock_.now_us += kPeriodUs; }
  double Metric(const std::string& name, const std::string& label = "") const {
    base::MetricRegistry registry;
    store_.Register(registry);
    for (const auto& entry : registry.Entries()) {
      if (entry.name == name && (label.empty() || entry.labels[0].second == label))
        return entry.read();
    }
    return -1;
  }
  double Loads() const { return Metric("poplar_tls_certificate_loads_total", "ok"); }
  double Failures() const { return Metric("poplar_tls_certificate_loads_total", "failed"); }
  double Loaded() const { return Metric("poplar_tls_certificates_loaded"); }
  // As handshakes do.
  CertificateStore::Certificates Ask(const std::string& host) {
    const auto known = store_.Find(host);
    looks_ += known ? 0 : 1;
    return known ? *known : store_.Look(host);
  }

  TestFolder folder_;
  const std::string certs_ = folder_.Path("certs");
  ManualClock clock_;
  CertificateStore store_{clock_};
  int looks_ = 0;
};

TEST_F(CertificateStoreTest, LoadsWhatIsAskedForOnce) {
  Write("pop.example.org");
  Write("pop.example.net");
  Configure();
  EXPECT_EQ(Loads(), 0);
  const auto first = Ask("pop.example.org");
  ASSERT_NE(first, nullptr);
  EXPECT_TRUE(first->Names("pop.example.org"));
  EXPECT_FALSE(first->Names("pop.example.net"));
  EXPECT_EQ(Ask("pop.example.org"), first);
  EXPECT_EQ(looks_, 1);
  EXPECT_EQ(Loads(), 1);
  EXPECT_EQ(Loaded(), 1);
  EXPECT_NE(Ask("pop.example.net"), first);
  EXPECT_EQ(Loads(), 2);
}

TEST_F(CertificateStoreTest, WithoutAFolderNobodyHasOne) {
  EXPECT_EQ(store_.Find("pop.example.org"), CertificateStore::Certificates());
  store_.Configure({.folder = folder_.Path("nonesuch")});
  EXPECT_EQ(Ask("pop.example.org"), nullptr);
  EXPECT_EQ(Ask("pop.example.org"), nullptr);
  EXPECT_EQ(looks_, 1);
}

TEST_F(CertificateStoreTest, ExactNamesComeBeforeWildcards) {
  Write("_.example.org", {.host = "*.example.org"});
  Write("pop.example.org");
  Configure();
  const auto own = Ask("pop.example.org");
  const auto wildcard = Ask("mail.example.org");
  ASSERT_NE(wildcard, nullptr);
  EXPECT_NE(own, wildcard);
  EXPECT_TRUE(wildcard->Names("mail.example.org"));
  EXPECT_EQ(Ask("other.example.org"), wildcard);
  EXPECT_EQ(Ask("a.b.example.org"), nullptr) << "a wildcard is for one label";
  EXPECT_EQ(Ask("example.org"), nullptr);
  EXPECT_EQ(Loads(), 2);
}

TEST_F(CertificateStoreTest, TheNamesOfCertManagerAreReadToo) {
  fs::create_directories(Path("pop.example.org"));
  WriteCertificate(Path("pop.example.org/tls.crt"), Path("pop.example.org/tls.key"));
  Configure();
  EXPECT_NE(Ask("pop.example.org"), nullptr);
}

// However many there are: no memory, no load, and the folder is looked at once a period.
TEST_F(CertificateStoreTest, InventedNamesCostNothing) {
  Write("pop.example.org");
  Configure();
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_EQ(Ask("invented" + std::to_string(i) + ".example.org"), nullptr);
  }
  EXPECT_EQ(looks_, 1);
  EXPECT_EQ(Loads() + Failures() + Loaded(), 0);
}

TEST_F(CertificateStoreTest, KeepsSoManyAndThoseAskedForLast) {
  for (const char* host : {"a.example", "b.example", "c.example"}) Write(host);
  Configure(/*loaded_max=*/2);
  Ask("a.example");
  Ask("b.example");
  Ask("a.example");
  Ask("c.example");  // In the place of b.
  EXPECT_EQ(Loaded(), 2);
  EXPECT_EQ(Metric("poplar_tls_certificate_evictions_total"), 1);
  EXPECT_EQ(Loads(), 3);
  EXPECT_TRUE(store_.Find("a.example").has_value());
  EXPECT_FALSE(store_.Find("b.example").has_value());
  EXPECT_NE(Ask("b.example"), nullptr);
  EXPECT_EQ(Loads(), 4);
}

TEST_F(CertificateStoreTest, ChangedFilesAreTakenAfterThePeriod) {
  Write("pop.example.org");
  Configure();
  const auto first = Ask("pop.example.org");
  PassPeriod();
  clock_.long_ago = true;
  EXPECT_EQ(Ask("pop.example.org"), first);
  EXPECT_EQ(Loads(), 1) << "nothing changed";
  clock_.long_ago = false;
  Write("pop.example.org");
  EXPECT_EQ(Ask("pop.example.org"), first) << "not looked at yet";
  PassPeriod();
  const auto second = Ask("pop.example.org");
  EXPECT_NE(second->identity(), first->identity());
  EXPECT_EQ(Loads(), 2);
  Write("pop.example.org");
  Configure();  // A reload does not wait for the period.
  EXPECT_NE(Ask("pop.example.org")->identity(), second->identity());
}

TEST_F(CertificateStoreTest, ABrokenFileLeavesTheOldCertificate) {
  Write("pop.example.org");
  Configure();
  const auto first = Ask("pop.example.org");
  std::ofstream(Path("pop.example.org/fullchain.pem")) << "half a certifi";
  PassPeriod();
  EXPECT_EQ(Ask("pop.example.org"), first);
  EXPECT_EQ(Failures(), 1);
  Configure();  // Nor does a reload lose it.
  EXPECT_EQ(Ask("pop.example.org"), first);
  WriteCertificate(folder_.Path("other.pem"), Path("pop.example.org/privkey.pem"));
  fs::copy_file(folder_.Path("other.pem"), Path("pop.example.org/fullchain.pem"),
                fs::copy_options::overwrite_existing);
  PassPeriod();
  EXPECT_NE(Ask("pop.example.org")->identity(), first->identity());
}

TEST_F(CertificateStoreTest, OneThatWasNeverGoodIsNone) {
  Write("pop.example.org");
  fs::remove(Path("pop.example.org/privkey.pem"));
  fs::create_directories(Path("empty.example.org"));
  Configure();
  EXPECT_EQ(Ask("pop.example.org"), nullptr);
  EXPECT_EQ(Ask("empty.example.org"), nullptr);
  EXPECT_EQ(Failures(), 2);
  EXPECT_EQ(Ask("pop.example.org"), nullptr);
  EXPECT_EQ(looks_, 2) << "and is not read with each handshake";
  Write("pop.example.org");
  PassPeriod();
  EXPECT_NE(Ask("pop.example.org"), nullptr);
}

TEST_F(CertificateStoreTest, HostsComeAndGo) {
  Write("pop.example.org");
  Configure();
  const auto certificates = Ask("pop.example.org");
  EXPECT_EQ(Ask("new.example.org"), nullptr);
  Write("new.example.org");
  EXPECT_EQ(Ask("new.example.org"), nullptr);
  PassPeriod();
  EXPECT_NE(Ask("new.example.org"), nullptr);
  fs::remove_all(Path("new.example.org"));
  PassPeriod();
  EXPECT_EQ(Ask("new.example.org"), nullptr);
  EXPECT_EQ(Loaded(), 1);
  // All of them at once: a disk that is not mounted.
  fs::rename(certs_, certs_ + "-away");
  PassPeriod();
  EXPECT_EQ(Ask("pop.example.org"), certificates);
  fs::create_directory(certs_);
  PassPeriod();
  EXPECT_EQ(Ask("pop.example.org"), certificates);
  EXPECT_EQ(Failures(), 0);
}

// As it was, so that its own stamp does not tell.
TEST_F(CertificateStoreTest, AFolderThatIsBackIsFollowedAgain) {
  Write("pop.example.org");
  const std::string link = folder_.Path("link");
  fs::create_symlink(certs_, link);
  store_.Configure({.folder = link, .look_period_us = kPeriodUs});
  clock_.long_ago = true;
  const auto first = Ask("pop.example.org");
  ASSERT_NE(first, nullptr);
  fs::remove(link);
  PassPeriod();
  EXPECT_EQ(Ask("pop.example.org"), first);
  fs::create_symlink(certs_, link);
  PassPeriod();
  EXPECT_EQ(Ask("pop.example.org"), first);
  // Of another size, so that its stamp is another in any case.
  Write("pop.example.org", {.host = "a-much-longer-name.example.org"});
  PassPeriod();
  EXPECT_NE(Ask("pop.example.org")->identity(), first->identity());
}

TEST_F(CertificateStoreTest, TellsWhenTheFirstEnds) {
  Write("long.example.org", {.days = 90});
  Write("short.example.org", {.days = 10});
  Configure();
  EXPECT_FALSE(store_.FirstExpiryS().has_value());
  Ask("long.example.org");
  const int64_t long_s = *store_.FirstExpiryS();
  Ask("short.example.org");
  EXPECT_NEAR(static_cast<double>(long_s - *store_.FirstExpiryS()), 80 * 24 * 3600, 5);
  EXPECT_EQ(Metric("poplar_tls_certificate_expiry_timestamp_seconds", "hosts"),
            static_cast<double>(*store_.FirstExpiryS()));
}

TEST_F(CertificateStoreTest, OneOfEachKindOfKey) {
  Write("pop.example.org");
  Write("pop.example.org", {.rsa = true}, "-rsa");
  Configure();
  ASSERT_NE(Ask("pop.example.org"), nullptr);
  EXPECT_EQ(Ask("pop.example.org")->size(), 2u);
  Write("pop.example.org", {}, "-ecdsa");
  const auto files = CertificateFilesOf(Path("pop.example.org"));
  ASSERT_TRUE(files.ok());
  const auto three = CertificateSet::Load(*files);
  EXPECT_THAT(three.status().ToString(), HasSubstr("another one for a key of the same kind"));
}

TEST_F(CertificateStoreTest, OnlyFoldersWithNamesOfHostsCount) {
  for (const char* name :
       {"pop.example.org", "_.example.org", "Upper.example.org", "..data", "a b"})
    fs::create_directories(Path(name));
  std::ofstream(Path("README")) << "certbot writes one";
  EXPECT_THAT(*HostsIn(certs_), ElementsAre("_.example.org", "pop.example.org"));
  EXPECT_FALSE(HostsIn(folder_.Path("nonesuch")).ok());
}

}  // namespace
}  // namespace poplar::net
