#include "core/setup/autoconfig.h"

#include "core/base/check.h"
#include "core/setup/xml_text.h"

namespace poplar::setup {
namespace {

std::string_view NameOf(Authentication authentication) {
  switch (authentication) {
    case Authentication::kPassword:
      return "password-cleartext";
    case Authentication::kApop:
      return "password-encrypted";
    case Authentication::kOAuth:
      return "OAuth2";
    case Authentication::kCertificate:
      return "TLS-client-cert";
    case Authentication::kScram:
      break;
  }
  POP_CHECK(false);  // There is no word for it.
  return "";
}

// What a server of either kind begins with.
std::string Server(const MailServer& server, Authentication authentication) {
  return XmlElement(3, "hostname", server.host) +
         XmlElement(3, "port", std::to_string(server.port)) +
         XmlElement(3, "socketType", server.starttls ? "STARTTLS" : "SSL") +
         XmlElement(3, "username", "%EMAILADDRESS%") +
         XmlElement(3, "authentication", NameOf(authentication));
}

}  // namespace

std::string AutoconfigXml(const MailSettings& settings) {
  std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n";
  xml += "  <emailProvider id=\"" + XmlText(settings.domain) + "\">\n";
  for (const char* const name : {"domain", "displayName", "displayShortName"}) {
    xml += XmlElement(2, name, settings.domain);
  }
  for (const MailServer& pop3 : settings.pop3) {
    xml += "    <incomingServer type=\"pop3\">\n" + Server(pop3, settings.authentication);
    // Other devices shall see the mail, too.
    xml += "      <pop3>\n" + XmlElement(4, "leaveMessagesOnServer", "true") + "      </pop3>\n";
    xml += "    </incomingServer>\n";
  }
  if (settings.smtp) {
    xml += "    <outgoingServer type=\"smtp\">\n" +
           Server(*settings.smtp, Authentication::kPassword) + "    </outgoingServer>\n";
  }
  return xml + "  </emailProvider>\n</clientConfig>\n";
}

}  // namespace poplar::setup
