// Runs every transcript beside this file twice: packet by packet as written, and byte by byte. The
// session must say and store the same.

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "tests/support/transcript.h"
#include "tests/transcripts/lmtp/lmtp_peer.h"

int main(int argc, char** argv) {
  using poplar::test::LmtpPeer;
  testing::InitGoogleTest(&argc, argv);
  size_t found = 0;
  for (const auto& [suite, pieces] : {std::pair("LmtpPackets", LmtpPeer::Pieces::kPackets),
                                      std::pair("LmtpBytes", LmtpPeer::Pieces::kBytes)}) {
    found += poplar::test::RegisterTranscriptTests(
        POPLAR_TRANSCRIPTS, suite, [pieces] { return std::make_unique<LmtpPeer>(pieces); });
  }
  if (found == 0) {
    std::fprintf(stderr, "no transcript in %s\n", POPLAR_TRANSCRIPTS);
    return 1;
  }
  return RUN_ALL_TESTS();
}
