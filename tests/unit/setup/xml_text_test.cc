#include "core/setup/xml_text.h"

#include <gtest/gtest.h>

#include <pugixml.hpp>
#include <string>

namespace poplar::setup {
namespace {

TEST(XmlText, EscapesWhatMeansSomething) {
  EXPECT_EQ(XmlText("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&apos;");
  EXPECT_EQ(XmlText("gr\u00fcn \u20ac"), "gr\u00fcn \u20ac");
  EXPECT_EQ(XmlText(""), "");
}

TEST(XmlText, WhatXmlCannotWriteIsReplaced) {
  EXPECT_EQ(XmlText(std::string("a\0b", 3)), "a?b");
  EXPECT_EQ(XmlText("a\x01"
                    "b\x1f"),
            "a?b?");
  EXPECT_EQ(XmlText("a\xff"
                    "b\xc3"),
            "a?b?");
  EXPECT_EQ(XmlText("\xef\xbf\xbf"), "?");  // U+FFFF.
  EXPECT_EQ(XmlText("\t\n"), "\t\n");
}

// Whatever goes in, a parser reads one element with one text.
TEST(XmlText, EveryOctetSurvivesAParser) {
  for (int a = 0; a < 256; ++a) {
    for (const char b : {'<', '&', ']', '\xbf', 'x'}) {
      const std::string text = {static_cast<char>(a), b, '>'};
      const std::string xml = XmlElement(0, "e", text);
      pugi::xml_document document;
      ASSERT_TRUE(document.load_buffer(xml.data(), xml.size(), pugi::parse_full)) << a;
      const pugi::xml_node element = document.first_child();
      EXPECT_STREQ(element.name(), "e");
      EXPECT_FALSE(element.next_sibling()) << a;
      for (const pugi::xml_node& child : element.children()) {
        EXPECT_EQ(child.type(), pugi::node_pcdata) << a;
      }
    }
  }
}

}  // namespace
}  // namespace poplar::setup
