#include "storage/index/lmdb_readahead.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <lmdb.h>
#include <unistd.h>

#include <random>
#include <string>

#include "core/base/fd.h"
#include "core/base/units.h"
#include "storage/format/bytes.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

constexpr std::string_view kName = "chunks";
constexpr size_t kPageBytes = 4096;

std::string KeyOf(char list, uint32_t number) {
  std::string key(40, list);
  AppendBe32(key, number);
  return key;
}

// An LMDB file with the lists a, b and c of 1,000 values each, which grew in turns.
class ReadAheadTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(mdb_env_create(&env_), 0);
    ASSERT_EQ(mdb_env_set_mapsize(env_, 256 * kMiB), 0);
    ASSERT_EQ(mdb_env_set_maxdbs(env_, 2), 0);
    ASSERT_EQ(mdb_env_open(env_, folder_.path().c_str(), MDB_NOTLS | MDB_NOSYNC, 0600), 0);
    for (uint32_t turn = 0; turn < 20; ++turn) Grow(turn * 50, (turn + 1) * 50);
    ASSERT_EQ(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &reader_), 0);
  }
  void TearDown() override {
    mdb_txn_abort(reader_);
    mdb_env_close(env_);
  }

  void Grow(uint32_t from, uint32_t to) {
    MDB_txn* txn = nullptr;
    ASSERT_EQ(mdb_txn_begin(env_, nullptr, 0, &txn), 0);
    ASSERT_EQ(mdb_dbi_open(txn, nullptr, 0, &main_), 0);
    ASSERT_EQ(mdb_dbi_open(txn, kName.data(), MDB_CREATE, &chunks_), 0);
    for (uint32_t number = from; number < to; ++number) {
      for (const char list : {'b', 'c', 'a'}) {
        std::string key = KeyOf(list, number);
        std::string value(100 + number % 1800, 'v');
        MDB_val k{key.size(), key.data()}, v{value.size(), value.data()};
        ASSERT_EQ(mdb_put(txn, chunks_, &k, &v, 0), 0);
      }
    }
    ASSERT_EQ(mdb_txn_commit(txn), 0);
  }

  // Where LMDB finds the values: a page begins with its number.
  std::vector<uint64_t> PagesOf(std::string_view prefix) {
    std::vector<uint64_t> pages;
    MDB_cursor* cursor = nullptr;
    EXPECT_EQ(mdb_cursor_open(reader_, chunks_, &cursor), 0);
    MDB_val key, value;
    for (int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); code == 0;
         code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
      const std::string_view found(static_cast<const char*>(key.mv_data), key.mv_size);
      if (!found.starts_with(prefix)) continue;
      const char* const at = static_cast<const char*>(value.mv_data);
      const auto number = LoadLe<uint64_t>(at - reinterpret_cast<uintptr_t>(at) % kPageBytes);
      if (pages.empty() || pages.back() != number) pages.push_back(number);
    }
    mdb_cursor_close(cursor);
    return pages;
  }

  std::vector<uint64_t> Ahead(std::string_view prefix) {
    mdb_filehandle_t file = -1;
    EXPECT_EQ(mdb_env_get_fd(env_, &file), 0);
    MDB_val key{kName.size(), const_cast<char*>(kName.data())}, record;
    EXPECT_EQ(mdb_get(reader_, main_, &key, &record), 0);
    LmdbTree tree;
    EXPECT_EQ(LmdbPages::DecodeTree({static_cast<char*>(record.mv_data), record.mv_size}, 0, tree),
              nullptr);
    return ReadAhead(file, kPageBytes, tree, prefix);
  }

  const TemporaryFolder folder_;
  MDB_env* env_ = nullptr;
  MDB_txn* reader_ = nullptr;
  MDB_dbi main_ = 0;
  MDB_dbi chunks_ = 0;
};

TEST_F(ReadAheadTest, FindsThePagesOfAPrefix) {
  MDB_stat stat;
  ASSERT_EQ(mdb_stat(reader_, chunks_, &stat), 0);
  ASSERT_EQ(stat.ms_psize, kPageBytes);
  ASSERT_GE(stat.ms_depth, 3U);
  EXPECT_EQ(Ahead({}), PagesOf({}));
  for (const char list : {'a', 'b', 'c'}) {
    const std::string prefix(40, list);
    const std::vector<uint64_t> wanted = PagesOf(prefix);
    ASSERT_GT(wanted.size(), 100U);
    std::vector<uint64_t> ahead = Ahead(prefix);
    if (ahead.size() == wanted.size() + 1) ahead.erase(ahead.begin());
    EXPECT_EQ(ahead, wanted) << list;
  }
  EXPECT_LE(Ahead("bx").size(), 1U);
}

TEST_F(ReadAheadTest, SeesWhatItsTransactionSees) {
  const std::vector<uint64_t> before = Ahead({});
  Grow(1000, 1100);
  EXPECT_EQ(Ahead({}), before);
  EXPECT_EQ(Ahead({}), PagesOf({}));
}

// Whatever stands in the file, it ends, and touches nothing that is not its own.
TEST_F(ReadAheadTest, EndsOnDamagedPages) {
  const size_t sound = Ahead({}).size();
  const base::UniqueFd file(::open((folder_.path() + "/data.mdb").c_str(), O_RDWR));
  ASSERT_GE(file.get(), 0);
  const off_t pages = ::lseek(file.get(), 0, SEEK_END) / static_cast<off_t>(kPageBytes);
  std::mt19937 random(7);
  size_t fewer = 0;
  for (off_t page = 2; page < pages; ++page) {
    std::string content(kPageBytes, '\0');
    ASSERT_EQ(::pread(file.get(), content.data(), kPageBytes, page * off_t{kPageBytes}),
              ssize_t{kPageBytes});
    if ((static_cast<unsigned char>(content[10]) & 1U) == 0) continue;  // No branch page.
    for (int i = 0; i < 64; ++i) {
      std::string damaged = content;
      // Numbers of its head and nodes' offsets, and anything.
      for (int octet = 0; octet < 4; ++octet) {
        damaged[random() % (octet < 2 ? 64 : kPageBytes)] = static_cast<char>(random());
      }
      ASSERT_EQ(::pwrite(file.get(), damaged.data(), kPageBytes, page * off_t{kPageBytes}),
                ssize_t{kPageBytes});
      if (Ahead({}).size() < sound) ++fewer;
    }
    ASSERT_EQ(::pwrite(file.get(), content.data(), kPageBytes, page * off_t{kPageBytes}),
              ssize_t{kPageBytes});
  }
  EXPECT_GT(fewer, 0U);
  EXPECT_EQ(Ahead({}).size(), sound);
}

}  // namespace
}  // namespace poplar::storage
