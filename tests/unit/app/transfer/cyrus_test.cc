#include "core/app/transfer/cyrus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace poplar::app {
namespace {

using testing::ElementsAre;

// An index with the fields at the places that the headers of Cyrus' own sources give them.
struct IndexBytes {
  std::string bytes;

  void Put(size_t at, uint32_t number) {
    if (bytes.size() < at + 4) bytes.resize(at + 4);
    for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(number >> (24 - 8 * i));
  }
  IndexBytes(uint32_t version, uint32_t head_bytes, uint32_t record_bytes, bool new_uidls) {
    bytes.resize(head_bytes);
    Put(8, version);
    Put(12, head_bytes);
    Put(16, record_bytes);
    const bool old = head_bytes <= 76;
    Put(old ? 40 : 44, 1'275'660'208);
    if (!old || head_bytes >= 60) Put(old ? 56 : 60, new_uidls ? 1 : 0);
  }
  IndexBytes& Add(uint32_t uid, uint32_t received, uint32_t flags) {
    const size_t at = bytes.size();
    bytes.resize(at + static_cast<unsigned char>(bytes[19]));
    Put(at, uid);
    Put(at + 4, received);
    Put(at + 32, flags);
    Put(20, static_cast<unsigned char>(bytes[23]) + 1U);
    return *this;
  }
};

TEST(ParseCyrusIndex, TheThreeHeads) {
  struct Head {
    uint32_t version, head_bytes, record_bytes;
    bool new_uidls;
  };
  for (const Head& head : {Head{2, 44, 52, false}, Head{3, 76, 52, true}, Head{10, 96, 88, true},
                           Head{12, 128, 96, false}, Head{17, 160, 112, true}}) {
    IndexBytes made(head.version, head.head_bytes, head.record_bytes, head.new_uidls);
    made.Add(3, 1'275'660'300, 1U << 4).Add(4, 5, 1U << 31).Add(5, 6, 1U << 30).Add(9, 7, 0);
    const auto index = ParseCyrusIndex(made.bytes);
    ASSERT_TRUE(index.ok()) << head.version << ": " << index.status();
    EXPECT_EQ(index->uid_validity, 1'275'660'208U) << head.version;
    EXPECT_EQ(index->new_uidls, head.new_uidls) << head.version;
    ASSERT_EQ(index->entries.size(), 2U) << head.version;
    EXPECT_EQ(index->entries[0].uid, 3U);
    EXPECT_EQ(index->entries[0].received_us, 1'275'660'300'000'000);
    EXPECT_EQ(index->entries[1].uid, 9U);
  }
}

TEST(ParseCyrusIndex, WhatPop3DoesNotShow) {
  for (const uint32_t version : {12U, 13U, 17U}) {
    IndexBytes made(version, 160, 112, true);
    made.Put(112, 1'000);
    made.Add(1, 999, 0).Add(2, 1'000, 0).Add(3, 1'001, 1U << 29).Add(4, 5, 1U << 31);
    const auto index = ParseCyrusIndex(made.bytes);
    ASSERT_TRUE(index.ok()) << index.status();
    const bool knows_it = version >= 13;
    EXPECT_EQ(index->hidden, knows_it ? 2U : 0U) << version;
    ASSERT_EQ(index->entries.size(), knows_it ? 1U : 3U) << version;
    EXPECT_EQ(index->entries.back().uid, 3U);
    EXPECT_TRUE(index->entries.back().archived);
  }
}

TEST(ParseCyrusIndex, WhatCannotBe) {
  IndexBytes good(17, 160, 112, true);
  good.Add(1, 2, 0);
  ASSERT_TRUE(ParseCyrusIndex(good.bytes).ok());
  const auto with = [&](size_t at, uint32_t number) {
    IndexBytes changed = good;
    changed.Put(at, number);
    return ParseCyrusIndex(changed.bytes).status().code();
  };
  EXPECT_EQ(with(8, 20), StatusCode::kInvalidArgument);  // A version that is not known.
  EXPECT_EQ(with(8, 0), StatusCode::kInvalidArgument);
  EXPECT_EQ(with(12, 40), StatusCode::kInvalidArgument);  // The head's size.
  EXPECT_EQ(with(12, 4096), StatusCode::kInvalidArgument);
  EXPECT_EQ(with(16, 35), StatusCode::kInvalidArgument);  // The records' size.
  EXPECT_EQ(with(20, 2), StatusCode::kInvalidArgument);   // Their number.
  EXPECT_EQ(with(20, UINT32_MAX), StatusCode::kInvalidArgument);
  EXPECT_FALSE(ParseCyrusIndex("").ok());
  EXPECT_FALSE(ParseCyrusIndex(std::string(500, 'x')).ok());
}

std::string MakeFolder() {
  std::string path = (std::filesystem::temp_directory_path() / "poplar-cyrus-XXXXXX").string();
  EXPECT_NE(mkdtemp(path.data()), nullptr);
  return path;
}

TEST(OpenCyrus, WhatIsMissingIsNoted) {
  const std::string path = MakeFolder();
  IndexBytes made(17, 160, 112, false);
  made.Put(112, 10);
  made.Add(1, 10, 0).Add(2, 11, 1U << 29).Add(3, 12, 1U << 29).Add(4, 13, 1U << 29);
  std::ofstream(path + "/cyrus.index") << made.bytes;
  std::ofstream(path + "/4.") << "Subject: here\r\n\r\n";
  const auto source = *OpenCyrus(path, *UidlFormat::Parse("%v.%u"));
  EXPECT_THAT(source->notes(),
              ElementsAre("its UIDLs are UIDs alone, as its index says",
                          "1 message left out, which its pop3showafter hides from POP3",
                          "2 messages on the archive partition: import a folder with links to "
                          "all files"));
  EXPECT_EQ(source->messages().size(), 3U);
  std::filesystem::remove_all(path);
}

TEST(OpenCyrus, FilesByTheirUids) {
  const std::string path = MakeFolder();
  IndexBytes made(17, 160, 112, true);
  made.Add(12, 5, 0).Add(7, 6, 0).Add(8, 6, 1U << 31);
  std::ofstream(path + "/cyrus.index") << made.bytes;
  std::ofstream(path + "/elsewhere") << "Subject: twelve\r\n\r\n";
  std::filesystem::create_symlink(path + "/elsewhere", path + "/12.");  // As an operator does.
  std::ofstream(path + "/8.") << "expunged";
  const auto uidls = [&](const char* format) {
    std::vector<std::string> all;
    const auto source = *OpenCyrus(path, *UidlFormat::Parse(format));
    for (const SourceMessage& message : source->messages()) all.push_back(message.uidl);
    return all;
  };
  EXPECT_THAT(uidls("%v.%u"), ElementsAre("1275660208.7", "1275660208.12"));
  EXPECT_THAT(uidls("%v-%u"), ElementsAre("1275660208-7", "1275660208-12"));
  const auto source = *OpenCyrus(path, *UidlFormat::Parse("%u"));
  EXPECT_EQ(source->Open(0).status().code(), StatusCode::kNotFound);  // Its file is missing.
  EXPECT_TRUE(source->Open(1).ok());
  EXPECT_EQ(source->messages()[1].bytes, 19U);
  EXPECT_FALSE(OpenCyrus(path + "/none", *UidlFormat::Parse("%u")).ok());
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace poplar::app
