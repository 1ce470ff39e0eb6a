#include "core/setup/autoconfig.h"

#include "core/setup/xml_text.h"

namespace poplar::setup {
namespace {

// What a server of either kind begins with.
std::string Server(const MailServer& server, bool password_is_sent) {
  return XmlElement(3, "hostname", server.host) +
         XmlElement(3, "port", std::to_string(server.port)) +
         XmlElement(3, "socketType", server.starttls ? "STARTTLS" : "SSL") +
         XmlElement(3, "username", "%EMAILADDRESS%") +
         XmlElement(3, "authentication",
                    password_is_sent ? "password-cleartext" : "password-encrypted");
}

}  // namespace

std::string AutoconfigXml(const MailSettings& settings) {
  std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n";
  xml += "  <emailProvider id=\"" + XmlText(settings.domain) + "\">\n";
  for (const char* const name : {"domain", "displayName", "displayShortName"}) {
    xml += XmlElement(2, name, settings.domain);
  }
  for (const MailServer& pop3 : settings.pop3) {
    xml += "    <incomingServer type=\"pop3\">\n" + Server(pop3, settings.password_is_sent);
    // Other devices shall see the mail, too.
    xml += "      <pop3>\n" + XmlElement(4, "leaveMessagesOnServer", "true") + "      </pop3>\n";
    xml += "    </incomingServer>\n";
  }
  if (settings.smtp) {
    xml += "    <outgoingServer type=\"smtp\">\n" + Server(*settings.smtp, true) +
           "    </outgoingServer>\n";
  }
  return xml + "  </emailProvider>\n</clientConfig>\n";
}

}  // namespace poplar::setup
