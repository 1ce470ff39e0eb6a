#include "core/setup/setup_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pugixml.hpp>
#include <set>
#include <string>

#include "tests/unit/setup/settings_sample.h"

namespace poplar::setup {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kAutoconfig = "/mail/config-v1.1.xml";

SetupAnswer Ask(SetupRequest request, const SetupFacts& facts = SampleFacts()) {
  if (request.method.empty()) request.method = "GET";
  return AnswerTo(request, facts, SamplePolicies());
}

SetupAnswer Outlook(const std::string& address, const SetupFacts& facts = SampleFacts()) {
  const std::string body =
      "<Autodiscover><Request><EMailAddress>" + address +
      "</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/"
      "outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>";
  return Ask({.method = "POST", .path = "/Autodiscover/Autodiscover.xml", .body = body}, facts);
}

// The text of the first element that `path` leads to, like "a/b".
std::string TextAt(const std::string& xml, const char* path) {
  pugi::xml_document document;
  EXPECT_TRUE(document.load_buffer(xml.data(), xml.size())) << xml;
  return document.first_element_by_path(path).text().as_string();
}

TEST(SetupPages, Autoconfig) {
  for (const std::string_view path :
       {kAutoconfig, std::string_view("/.well-known/autoconfig/mail/config-v1.1.xml")}) {
    const SetupAnswer answer = Ask({.path = path, .address = "alice@Acme.example"});
    EXPECT_EQ(answer.status, 200U);
    EXPECT_EQ(answer.content_type, "text/xml; charset=utf-8");
    const std::string server = "clientConfig/emailProvider/incomingServer/";
    EXPECT_EQ(TextAt(answer.body, (server + "hostname").c_str()), "pop.provider.example");
    EXPECT_EQ(TextAt(answer.body, (server + "port").c_str()), "995");
    EXPECT_EQ(TextAt(answer.body, (server + "socketType").c_str()), "SSL");
    EXPECT_EQ(TextAt(answer.body, (server + "username").c_str()), "%EMAILADDRESS%");
    EXPECT_EQ(TextAt(answer.body, (server + "pop3/leaveMessagesOnServer").c_str()), "true");
    EXPECT_EQ(TextAt(answer.body, "clientConfig/emailProvider/outgoingServer/hostname"),
              "smtp.provider.example");
    EXPECT_EQ(TextAt(answer.body, "clientConfig/emailProvider/domain"), "acme.example");
    EXPECT_THAT(answer.body, HasSubstr("STARTTLS"));
    EXPECT_THAT(answer.body, Not(HasSubstr("alice")));
  }
}

TEST(SetupPages, AnAddressInAQueryIsNoForms) {
  EXPECT_EQ(AddressIn("/mail.mobileconfig?emailaddress=a+b@acme.example"), "a+b@acme.example");
  EXPECT_EQ(AddressIn("/x?y=1&EmailAddress=a%2Bb%40acme.example&z"), "a+b@acme.example");
  EXPECT_EQ(AddressIn("/x?emailaddress=a%20b@acme.example"), "a b@acme.example");
  EXPECT_EQ(AddressIn("/x?emailaddress=a%2%zz%"), "a%2%zz%");
  for (const char* const none : {"", "/", "/x?", "/x?&&", "/x?emailaddress",
                                 "/x?emailaddress=", "/emailaddress=a@acme.example"}) {
    EXPECT_EQ(AddressIn(none), "") << none;
  }
  EXPECT_EQ(Ask({.path = "/mail.mobileconfig", .address = "a b@acme.example"}).status, 400U);
}

TEST(SetupPages, TheHostSaysTheDomainWhereNoAddressDoes) {
  for (const std::string_view host :
       {"autoconfig.acme.example", "AutoConfig.acme.example:80", "acme.example"}) {
    EXPECT_EQ(Ask({.path = kAutoconfig, .host = host}).status, 200U) << host;
  }
  for (const std::string_view host : {"", ":80", "autoconfig.", "www.acme.example", "[::1]:80"}) {
    EXPECT_EQ(Ask({.path = kAutoconfig, .host = host}).status, 404U) << host;
  }
  // An address that is none is not made up for by the host.
  EXPECT_EQ(Ask({.path = kAutoconfig, .host = "acme.example", .address = "alice"}).status, 404U);
}

TEST(SetupPages, NothingTellsWhetherThereIsAUser) {
  std::set<std::string> bodies;
  for (const char* const address :
       {"alice@acme.example", "nobody@acme.example", "x/y@acme.example"}) {
    bodies.insert(Ask({.path = kAutoconfig, .address = address}).body);
  }
  EXPECT_EQ(bodies.size(), 1U);
  // A tenant without POP3 is as unknown as one that is none.
  const SetupAnswer off = Ask({.path = kAutoconfig, .address = "a@off.example"});
  const SetupAnswer none = Ask({.path = kAutoconfig, .address = "a@none.example"});
  EXPECT_EQ(off.status, 404U);
  EXPECT_EQ(off.body, none.body);
}

TEST(SetupPages, Autodiscover) {
  const SetupAnswer answer = Outlook("Alice@acme.example");
  EXPECT_EQ(answer.status, 200U);
  const std::string protocol = "Autodiscover/Response/Account/Protocol/";
  EXPECT_EQ(TextAt(answer.body, (protocol + "Type").c_str()), "POP3");
  EXPECT_EQ(TextAt(answer.body, (protocol + "Server").c_str()), "pop.provider.example");
  EXPECT_EQ(TextAt(answer.body, (protocol + "Port").c_str()), "995");
  EXPECT_EQ(TextAt(answer.body, (protocol + "SSL").c_str()), "on");
  EXPECT_EQ(TextAt(answer.body, (protocol + "LoginName").c_str()), "Alice@acme.example");
  EXPECT_THAT(answer.body, HasSubstr("<Type>SMTP</Type>"));
  EXPECT_EQ(Outlook("alice@none.example").status, 404U);
  EXPECT_EQ(Ask({.method = "POST", .path = "/autodiscover/autodiscover.xml", .body = "<x"}).status,
            200U);
  EXPECT_THAT(Ask({.method = "POST", .path = "/autodiscover/autodiscover.xml", .body = "<x"}).body,
              HasSubstr("<ErrorCode>600</ErrorCode>"));
}

TEST(SetupPages, AppleProfile) {
  const SetupAnswer answer = Ask({.path = "/mail.mobileconfig", .address = "alice@acme.example"});
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.content_type, "application/x-apple-aspen-config; charset=utf-8");
  EXPECT_EQ(answer.file_name, "acme.example.mobileconfig");
  EXPECT_THAT(answer.body, HasSubstr("<string>EmailTypePOP</string>"));
  EXPECT_EQ(answer.body, Ask({.path = "/mail.mobileconfig", .address = "alice@acme.example"}).body);
  EXPECT_NE(answer.body, Ask({.path = "/mail.mobileconfig", .address = "bob@acme.example"}).body);
  EXPECT_EQ(Ask({.path = "/mail.mobileconfig"}).status, 400U);
  EXPECT_EQ(Ask({.path = "/mail.mobileconfig", .address = "alice@none.example"}).status, 404U);
  SetupFacts no_smtp = SampleFacts();
  no_smtp.smtp_host.clear();
  EXPECT_EQ(Ask({.path = "/mail.mobileconfig", .address = "alice@acme.example"}, no_smtp).status,
            404U);
  EXPECT_THAT(Ask({.path = kAutoconfig, .address = "alice@acme.example"}, no_smtp).body,
              Not(HasSubstr("outgoingServer")));
}

TEST(SetupPages, NothingIsToldThatCannotWork) {
  struct Case {
    const char* mechanisms;
    const char* autoconfig;  // Empty: it has no word for it.
    unsigned others;         // Of HTTP: Outlook's and Apple's.
  };
  for (const Case& one : {Case{"USER,APOP", "password-cleartext", 200},
                          {"APOP", "password-encrypted", 404},
                          {"OAUTHBEARER,XOAUTH2", "OAuth2", 404},
                          {"EXTERNAL", "TLS-client-cert", 404},
                          {"SCRAM-SHA-256", "", 404}}) {
    SetupFacts facts = SampleFacts();
    facts.mechanisms = *LoginMechanisms::Parse(one.mechanisms);
    const SetupAnswer answer = Ask({.path = kAutoconfig, .address = "a@acme.example"}, facts);
    EXPECT_EQ(answer.status, *one.autoconfig == '\0' ? 404U : 200U) << one.mechanisms;
    if (answer.status == 200) {
      EXPECT_EQ(TextAt(answer.body, "clientConfig/emailProvider/incomingServer/authentication"),
                one.autoconfig);
    }
    const SetupAnswer outlook = Outlook("a@acme.example", facts);
    const SetupAnswer apple =
        Ask({.path = "/mail.mobileconfig", .address = "a@acme.example"}, facts);
    EXPECT_EQ(outlook.status, one.others) << one.mechanisms;
    EXPECT_EQ(apple.status, one.others) << one.mechanisms;
    for (const SetupAnswer& each : {answer, outlook, apple}) {
      EXPECT_THAT(each.body, Not(HasSubstr("CRAM")));
      EXPECT_THAT(each.body, Not(HasSubstr("<SPA>on")));
      EXPECT_EQ(each.status == 404, each.body.ends_with("by hand.\n")) << each.body;
    }
  }
}

TEST(SetupPages, WhatAClientSaysIsEscaped) {
  const std::string evil = "<a/href='x'>&\"@acme.example";
  const SetupAnswer apple = Ask({.path = "/mail.mobileconfig", .address = evil});
  EXPECT_EQ(apple.status, 200U);
  EXPECT_THAT(apple.body, Not(HasSubstr("<a/href")));
  EXPECT_THAT(apple.body, HasSubstr("&lt;a/href=&apos;x&apos;&gt;&amp;&quot;@acme.example"));
  const SetupAnswer outlook = Outlook("&lt;b&gt;@acme.example");
  EXPECT_EQ(outlook.status, 200U);
  EXPECT_THAT(outlook.body, Not(HasSubstr("<b>")));
}

TEST(SetupPages, OtherPathsAndMethods) {
  EXPECT_EQ(Ask({.path = "/"}).status, 404U);
  EXPECT_EQ(Ask({.path = "/mail/../mail/config-v1.1.xml"}).status, 404U);
  EXPECT_EQ(Ask({.method = "HEAD", .path = kAutoconfig, .address = "a@acme.example"}).status, 200U);
  EXPECT_EQ(Ask({.method = "POST", .path = kAutoconfig, .address = "a@acme.example"}).status, 405U);
  EXPECT_EQ(Ask({.path = "/autodiscover/autodiscover.xml"}).allow, "POST");
}

}  // namespace
}  // namespace poplar::setup
