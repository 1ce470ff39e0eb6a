#include "core/app/roff.h"

#include <gtest/gtest.h>

namespace poplar::app::roff {
namespace {

TEST(Roff, TextIsNoRequestAndNoEscape) {
  EXPECT_EQ(Text(".end"), "\\&.end");
  EXPECT_EQ(Text("'quoted'"), "\\&\\(aqquoted\\(aq");
  EXPECT_EQ(Text("a\\b `c` --json ~ ^"), "a\\eb \\(gac\\(ga \\-\\-json \\(ti \\(ha");
  EXPECT_EQ(Text("plain words."), "plain words.");
}

TEST(Roff, LinesOfAParagraphAreFilledAndThoseOfAnExampleAreNot) {
  EXPECT_EQ(Paragraph("one\n  .two\n\nthree"), ".PP\none\n\\&.two\nthree\n");
  EXPECT_EQ(Literal("  poplar check\n.x"), ".PP\n.nf\n\\&  poplar check\n\\&\\&.x\n.fi\n");
  EXPECT_EQ(Item(Bold("-x"), "does"), ".TP\n\\fB\\-x\\fR\ndoes\n");
}

}  // namespace
}  // namespace poplar::app::roff
