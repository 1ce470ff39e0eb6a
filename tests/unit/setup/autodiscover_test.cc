#include "core/setup/autodiscover.h"

#include <gtest/gtest.h>

#include <string>

namespace poplar::setup {
namespace {

constexpr std::string_view kSchema =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";

std::string Request(std::string_view address, std::string_view schema = kSchema) {
  return "<?xml version=\"1.0\" encoding=\"utf-8\"?><Autodiscover "
         "xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\">"
         "<Request><EMailAddress>" +
         std::string(address) + "</EMailAddress><AcceptableResponseSchema>" + std::string(schema) +
         "</AcceptableResponseSchema></Request></Autodiscover>";
}

AutodiscoverFault FaultOf(const std::string& body) { return ParseAutodiscover(body).fault; }

TEST(Autodiscover, ReadsWhatOutlookSends) {
  const AutodiscoverRequest asked = ParseAutodiscover(Request("alice@acme.example"));
  EXPECT_EQ(asked.fault, AutodiscoverFault::kNone);
  EXPECT_EQ(asked.address, "alice@acme.example");
  EXPECT_EQ(ParseAutodiscover(Request("a&amp;b&#64;acme.example")).address, "a&b@acme.example");
  EXPECT_EQ(ParseAutodiscover("\xEF\xBB\xBF" + Request("a@b.example")).address, "a@b.example");
  const std::string prefixed =
      "<x:Autodiscover xmlns:x='u'><x:Request><x:AcceptableResponseSchema>" + std::string(kSchema) +
      "</x:AcceptableResponseSchema><x:EMailAddress>a@b.example</x:EMailAddress></x:Request></"
      "x:Autodiscover>";
  EXPECT_EQ(ParseAutodiscover(prefixed).address, "a@b.example");
}

TEST(Autodiscover, WhiteSpaceAroundATextIsNoneOfIt) {
  const AutodiscoverRequest asked = ParseAutodiscover(
      Request("\r\n  alice@acme.example\t", "\n    " + std::string(kSchema) + "\n  "));
  EXPECT_EQ(asked.fault, AutodiscoverFault::kNone);
  EXPECT_EQ(asked.address, "alice@acme.example");
  EXPECT_EQ(FaultOf(Request(" ")), AutodiscoverFault::kInvalidRequest);
}

TEST(Autodiscover, SaysWhatIsWrong) {
  EXPECT_EQ(FaultOf(Request("a@b.example", "http://other/schema")),
            AutodiscoverFault::kOtherSchema);
  EXPECT_EQ(FaultOf(Request("", kSchema)), AutodiscoverFault::kInvalidRequest);
  EXPECT_EQ(FaultOf(Request("a@b.example", "")), AutodiscoverFault::kInvalidRequest);
  for (const char* const none : {"", " ", "GET", "<Autodiscover/>", "<a><b></a></b>", "{}", "<"}) {
    EXPECT_EQ(FaultOf(none), AutodiscoverFault::kInvalidRequest) << none;
  }
  EXPECT_NE(AutodiscoverFaultXml(AutodiscoverFault::kOtherSchema).find("<ErrorCode>601<"),
            std::string::npos);
}

TEST(Autodiscover, NoEntityIsExpandedAndNoFileRead) {
  EXPECT_EQ(FaultOf("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>" +
                    Request("&x;@b.example")),
            AutodiscoverFault::kInvalidRequest);
  EXPECT_EQ(FaultOf("<!DOCTYPE lolz [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]>" +
                    Request("&b;@b.example")),
            AutodiscoverFault::kInvalidRequest);
  // Without a document type it is text like other.
  EXPECT_EQ(ParseAutodiscover(Request("&x;@b.example")).address, "&x;@b.example");
}

TEST(Autodiscover, DepthAndLengthAreBounded) {
  std::string deep;
  while (deep.size() + 3 <= kAutodiscoverBytesMax) deep += "<a>";
  EXPECT_EQ(FaultOf(deep), AutodiscoverFault::kInvalidRequest);
  const std::string padding(kAutodiscoverBytesMax, ' ');
  EXPECT_EQ(FaultOf(Request("a@b.example") + padding), AutodiscoverFault::kInvalidRequest);
  const std::string request = Request("a@b.example");
  EXPECT_EQ(FaultOf(request + padding.substr(request.size())), AutodiscoverFault::kNone);
}

TEST(Autodiscover, EveryTruncationAndEveryOctetEndsWell) {
  const std::string whole = Request("alice@acme.example");
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_NE(FaultOf(whole.substr(0, bytes)), AutodiscoverFault::kNone) << bytes;
    std::string changed = whole;
    for (const char c : {'\0', '<', '&', '\xff'}) {
      changed[bytes] = c;
      ParseAutodiscover(changed);
    }
  }
}

}  // namespace
}  // namespace poplar::setup
