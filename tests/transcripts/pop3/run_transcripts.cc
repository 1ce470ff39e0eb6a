// Runs every transcript beside this file three times: packet by packet as written, byte by byte,
// and line by line. The session must say the same.

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "tests/support/pop3_peer.h"
#include "tests/support/transcript.h"

int main(int argc, char** argv) {
  using poplar::test::Pop3Peer;
  testing::InitGoogleTest(&argc, argv);
  size_t found = 0;
  for (const auto& [suite, pieces] : {std::pair("Pop3Packets", Pop3Peer::Pieces::kPackets),
                                      std::pair("Pop3Bytes", Pop3Peer::Pieces::kBytes),
                                      std::pair("Pop3Lines", Pop3Peer::Pieces::kLines)}) {
    found += poplar::test::RegisterTranscriptTests(
        POPLAR_TRANSCRIPTS, suite, [pieces] { return std::make_unique<Pop3Peer>(pieces); });
  }
  if (found == 0) {
    std::fprintf(stderr, "no transcript in %s\n", POPLAR_TRANSCRIPTS);
    return 1;
  }
  return RUN_ALL_TESTS();
}
